//! `nexus db mock`: all data is replaced by a synthetic network, to try things on.

use super::{Agreed, delete_everything};
use crate::{
    cli::Mock,
    datadir::DataDir,
    failure::Outcome,
    progress::Counter,
    settings::{Service, Settings},
    social::open_store,
};
use nexus_model::{Action, Timestamp};
use nexus_runtime::Clock;
use nexus_social::{
    effects::{ChangeRow, Effects, RowChange},
    mock::{Network, Size},
    store::{self, Store},
};

/// Rows in one commit.
const GROUP: usize = 10_000;

pub(super) fn run(settings: &Settings, mock: &Mock, agreed: Agreed) -> Outcome {
    let _data = DataDir::take(&settings.server.data_dir)?;
    delete_everything(settings, &[Service::Social], agreed)?;
    let store = open_store(settings)?;
    let now = Clock::system().now();
    let size = Size::of(mock.users as usize, mock.posts as usize);
    let network = Network::new(size, mock.seed, now);
    let rows = write(&*store, &network, now)?;
    println!(
        "{} users and {} posts, {rows} rows in all; run it with `nexus --homeserver '[]'`",
        mock.users, mock.posts
    );
    if let Some(user) = network.users().first() {
        println!("somebody to begin with: http://{}/v0/user/{user}", settings.server.bind);
    }
    Ok(())
}

fn write(store: &dyn Store, network: &Network, now: Timestamp) -> store::Result<u64> {
    let counter = Counter::new("rows written:");
    let mut rows = network.rows();
    let mut written = 0;
    loop {
        let group: Vec<RowChange> = rows.by_ref().take(GROUP).collect();
        if group.is_empty() {
            counter.done();
            return Ok(written);
        }
        written += group.len() as u64;
        counter.at(written);
        let changes = group.iter().filter_map(|row| change(row, now)).collect();
        let mut transaction = store.begin()?;
        transaction.apply(&Effects { changes, rows: group, ..Effects::default() })?;
        transaction.commit()?;
    }
}

/// The journal row of a profile. Readers that follow the journal find a beginning in it; everything else they build
/// from the store.
fn change(row: &RowChange, time: Timestamp) -> Option<ChangeRow> {
    let RowChange::PutUser(user) = row else { return None };
    Some(ChangeRow {
        author: user.id,
        collection: "profile",
        key: "profile.json".into(),
        action: Action::Create,
        version: None,
        live: false,
        time,
    })
}
