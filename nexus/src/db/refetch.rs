//! `nexus db check --refetch`: bytes of files that are lost are asked for again. Each file gets an entry in the retry
//! queue, due at once, which the next start carries out as any other: bytes are kept only if they are what the id of
//! the blob stands for, and only while their owner's room lasts.

use crate::{datadir::DataDir, failure::Outcome, settings::Settings};
use nexus_pubky::{Address, Path};
use nexus_runtime::Clock;
use nexus_social::{effects::Operation, input::Input, row::FileKey, store::Store, writer::Writer};
use std::sync::Arc;

/// Has the next start fetch the bytes of these files, of which those are left out whose homeserver nobody knows.
pub(super) fn ask(settings: &Settings, store: &dyn Store, lost: &[FileKey]) -> Outcome {
    let _data = DataDir::take(&settings.server.data_dir)?;
    let mut inputs = Vec::new();
    for key in lost {
        if let Some(host) = store.begin()?.state().host(&key.owner)? {
            inputs.extend(requests(key, host.homeserver));
        }
    }
    let writer = Writer::new(Arc::new(settings.social.policy()));
    for group in inputs.chunks(settings.social.group_limit.count()) {
        writer.run(store, group, Clock::system().now(), drop)?;
    }
    let (asked, unknown) = (inputs.len() / 2, lost.len() - inputs.len() / 2);
    println!("the next start fetches the bytes of {asked} files again");
    if unknown > 0 {
        println!("note: of {unknown} files, nobody knows where their owners live");
    }
    Ok(())
}

/// An entry in the queue, and that it is due.
fn requests(key: &FileKey, homeserver: Arc<str>) -> [Input; 2] {
    let address = Address { user: key.owner, path: Path::File(key.id) };
    let hurry = Input::Hurry(address.to_string().into());
    let (operation, error) = (Operation::Put, "its bytes are lost".to_owned());
    [Input::Failed { address, operation, homeserver, error }, hurry]
}
