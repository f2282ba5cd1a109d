//! Start-up with the store, and what it takes to fill one: how long it is from a file to an index that answers.

use crate::graph::END;
use nexus_social::{
    effects::{Effects, RowChange},
    export,
    import::{Importer, Options, Trust},
    index::Index,
    mock::{Network, Size},
    store::Store,
};
use nexus_sqlite::social::SocialStore;
use std::{
    fs::File,
    io::{BufReader, BufWriter},
    path::Path,
    time::{Duration, Instant},
};

/// Rows in one commit.
const GROUP: usize = 10_000;

/// Processor time of this process, all threads together.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before may hold spaces; user and system time are the 12th and 13th field after it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Prints how long something took, by the clock and of the processors.
fn timed<T>(what: &str, work: impl FnOnce() -> (usize, T)) -> T {
    let (begin, before) = (Instant::now(), processor());
    let (count, result) = work();
    let (clock, used) = (begin.elapsed().as_secs_f64(), (processor() - before).as_secs_f64());
    println!("| {what} | {count} | {clock:.1} | {used:.1} | {:.0} |", count as f64 / clock);
    result
}

/// Fills a store, starts from it, exports it and imports the lines into another one.
pub(crate) fn measure(folder: &Path, size: Size, seed: u64) {
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let at = |name: &str| folder.join(name);
    for name in ["one.db", "one.db-wal", "one.db-shm", "two.db", "two.db-wal", "two.db-shm"] {
        let _ = std::fs::remove_file(at(name));
    }
    let open = |name: &str| SocialStore::open(&at(name)).expect("a file can be opened");
    println!("| what | number | seconds | of processors | a second |\n|---|---:|---:|---:|---:|");
    let network = timed("users made up", || (size.users, Network::new(size, seed, END)));
    timed("rows written", || (fill(&open("one.db"), &network), ()));
    let store = open("one.db");
    timed("rows read", || {
        let mut rows = 0;
        store.load(&mut |_| rows += 1).expect("the store can be read");
        (rows, ())
    });
    let index = timed("start-up: rows read and indexed", || {
        let mut rows = 0;
        let (index, _) = Index::load(&store, &mut |count| rows = count).expect("the store can be read");
        (rows as usize, index)
    });
    eprintln!("{:?}", index.in_use());
    drop(index);
    timed("lines exported", || {
        let mut out = BufWriter::new(File::create(at("lines")).expect("a file can be made"));
        (export::write(&store, &mut out).expect("the store can be written out") as usize, ())
    });
    timed("lines imported, trusted", || {
        let importer = Importer::new(Options { trust: Trust::Trusted, ..Options::default() }, END);
        let lines = || Ok(BufReader::new(File::open(at("lines"))?));
        let summary = importer.run(&open("two.db"), lines, &mut |line| eprintln!("{line}"));
        (summary.expect("lines can be imported").lines as usize, ())
    });
}

fn fill(store: &SocialStore, network: &Network) -> usize {
    let (mut rows, mut written) = (network.rows(), 0);
    loop {
        let group: Vec<RowChange> = rows.by_ref().take(GROUP).collect();
        if group.is_empty() {
            return written;
        }
        written += group.len();
        let mut transaction = store.begin().expect("a transaction begins");
        transaction.apply(&Effects { rows: group, ..Effects::default() }).expect("rows can be written");
        transaction.commit().expect("a transaction can be committed");
    }
}
