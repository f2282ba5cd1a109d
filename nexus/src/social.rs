//! The social service's backends, picked and opened, and the verbs that move its objects.

use crate::{
    cli, db,
    failure::{Exit, Failure, Outcome},
    lines,
    progress::{Counter, reading},
    settings::{Service, Settings},
};
use nexus_runtime::Clock;
use nexus_social::{
    export,
    import::{Importer, Notifications, Options as ImportOptions, Trust},
};
use nexus_sqlite::{Durability, Options, social::SocialStore};
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::Arc,
};

/// Opens the store.
pub(crate) fn open_store(settings: &Settings) -> Outcome<Arc<SocialStore>> {
    let readers = settings.social.readers.count();
    let path = settings.social_database();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let store = SocialStore::open_with(&path, Options { readers, ..Options::new(Durability::Normal) });
    store.map(Arc::new).map_err(|error| {
        let told = nexus_runtime::told(&error);
        Failure::new(Exit::Failed, format!("{}: {told}", path.display()))
    })
}

/// `nexus social export FILE`: also while Nexus runs.
pub(crate) fn export(settings: &Settings, file: &Path) -> Outcome {
    db::must_exist(settings, Service::Social)?;
    let store = open_store(settings)?;
    let counter = Counter::new("objects written:");
    let lines = match lines::is_standard(file) {
        true => write(&store, io::stdout().lock(), &counter),
        false => write(&store, lines::create(file)?, &counter),
    }?;
    counter.done();
    eprintln!("{lines} objects were written");
    Ok(())
}

fn write(store: &SocialStore, out: impl io::Write, counter: &Counter) -> Outcome<u64> {
    let mut out = Counted { out: BufWriter::new(out), counter };
    let lines = export::write(store, &mut out)?;
    out.out.flush()?;
    Ok(lines)
}

/// Counts lines as they pass.
struct Counted<'a, W> {
    out: W,
    counter: &'a Counter,
}

impl<W: io::Write> io::Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.ends_with(b"\n") {
            self.counter.step();
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `nexus social import FILE`: bad lines are told, the rest goes on.
///
/// # Errors
/// If the lines or the store fail, or any line was left out.
pub(crate) fn import(settings: &Settings, arguments: &cli::Import) -> Outcome {
    let store = open_store(settings)?;
    let options = ImportOptions {
        trust: if arguments.trusted { Trust::Trusted } else { Trust::Verify },
        notifications: if arguments.no_notifications { Notifications::Leave } else { Notifications::Keep },
        ..ImportOptions::default()
    };
    let mut file = open_input(&arguments.file)?;
    let length = file.metadata()?.len();
    let open = || {
        file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::new(reading("reading", length, file.try_clone()?)))
    };
    let importer = Importer::new(options, Clock::system().now());
    let summary = importer.run(&*store, open, &mut |bad| eprintln!("{bad}"))?;
    eprintln!(
        "{} lines were read, {} rows are new or changed, {} lines were left out",
        summary.lines, summary.changed, summary.bad
    );
    match summary.bad {
        0 => Ok(()),
        bad => Err(Failure::new(Exit::Failed, format!("{bad} lines were left out"))),
    }
}

/// A file that can be read twice: standard input is kept aside first.
fn open_input(path: &Path) -> Outcome<File> {
    if !lines::is_standard(path) {
        return lines::open(path);
    }
    let mut aside = tempfile::tempfile()?;
    io::copy(&mut io::stdin().lock().by_ref(), &mut aside)?;
    Ok(aside)
}
