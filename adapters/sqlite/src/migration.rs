//! Schema versions. A file knows whose it is (`application_id`) and its version (`user_version`); an older one is
//! brought forward in one transaction, a newer one is refused.

use crate::{Error, Result};
use rusqlite::{Connection, TransactionBehavior};

/// The tables of one service.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Tells this service's files from others.
    pub application_id: i32,
    /// Makes the newest version in an empty file.
    pub newest: &'static str,
    /// What brings version 1 to 2, 2 to 3, and so on.
    pub upgrades: &'static [Upgrade],
}

/// A step from one version to the next. It is never changed once it was released.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade {
    /// What SQL can do.
    pub script: &'static str,
    /// What it can't, afterwards and in the same transaction.
    pub then: fn(&Connection) -> Result<()>,
}

impl Upgrade {
    /// An upgrade that SQL can do.
    pub const fn script(script: &'static str) -> Self {
        Self { script, then: |_| Ok(()) }
    }

    fn run(&self, connection: &Connection) -> Result<()> {
        connection.execute_batch(self.script)?;
        (self.then)(connection)
    }
}

impl Schema {
    /// The newest version. The first is 1; 0 is an empty file.
    pub const fn version(&self) -> u32 {
        self.upgrades.len() as u32 + 1
    }

    /// Brings the file to the newest version.
    ///
    /// # Errors
    /// If the file is another's or newer, or an upgrade fails: the file stays as it was then.
    pub(crate) fn migrate(&self, connection: &mut Connection) -> Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = self.found(&transaction)?;
        match found.checked_sub(1) {
            None => transaction.execute_batch(self.newest)?,
            Some(done) => {
                let missing = self.upgrades.get(done as usize..).unwrap_or_default();
                missing.iter().try_for_each(|upgrade| upgrade.run(&transaction))?;
            }
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", self.version())?;
        Ok(transaction.commit()?)
    }

    /// The version that the file has; 0 if it is empty.
    ///
    /// # Errors
    /// If it is another service's, or newer than this.
    pub(crate) fn found(&self, connection: &Connection) -> Result<u32> {
        let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > 0 || has_tables(connection)? {
            self.expect_own(connection)?;
        }
        if found > self.version() { Err(Error::TooNew { found, known: self.version() }) } else { Ok(found) }
    }

    fn expect_own(&self, connection: &Connection) -> Result<()> {
        let (expected, found) =
            (self.application_id, connection.pragma_query_value(None, "application_id", |row| row.get(0))?);
        if found == expected { Ok(()) } else { Err(Error::OtherApplication { found, expected }) }
    }
}

fn has_tables(connection: &Connection) -> Result<bool> {
    Ok(connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Schema = Schema { application_id: 7, newest: "CREATE TABLE a (x)", upgrades: &[] };
    const TWO: Schema = Schema {
        newest: "CREATE TABLE a (x, y)",
        upgrades: &[Upgrade { script: "ALTER TABLE a ADD COLUMN y", then: fill }],
        ..ONE
    };

    fn fill(connection: &Connection) -> Result<()> {
        connection.execute("UPDATE a SET y = x + 1", ())?;
        Ok(())
    }

    fn version(connection: &Connection) -> Result<u32> {
        Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
    }

    #[test]
    fn an_old_file_is_brought_forward_and_again_is_harmless() -> Result<()> {
        let mut file = Connection::open_in_memory()?;
        ONE.migrate(&mut file)?;
        file.execute("INSERT INTO a VALUES (1)", [])?;
        TWO.migrate(&mut file)?;
        TWO.migrate(&mut file)?;
        let y: i64 = file.query_row("SELECT y FROM a", [], |row| row.get(0))?;
        assert_eq!((y, version(&file)?), (2, 2));
        Ok(())
    }

    #[test]
    fn a_newer_file_is_refused() -> Result<()> {
        let mut file = Connection::open_in_memory()?;
        TWO.migrate(&mut file)?;
        let error = ONE.migrate(&mut file).expect_err("it is newer");
        assert_eq!(error.to_string(), "the file has schema version 2, this program knows 1: use a newer program");
        assert_eq!(version(&file)?, 2);
        Ok(())
    }

    #[test]
    fn anothers_file_is_refused() -> Result<()> {
        let mut file = Connection::open_in_memory()?;
        ONE.migrate(&mut file)?;
        let other = Schema { application_id: 8, ..ONE };
        assert!(matches!(other.migrate(&mut file), Err(Error::OtherApplication { found: 7, expected: 8 })));
        Ok(())
    }

    #[test]
    fn a_failed_upgrade_leaves_the_file_as_it_was() -> Result<()> {
        let mut file = Connection::open_in_memory()?;
        ONE.migrate(&mut file)?;
        let in_sql = Upgrade::script("ALTER TABLE a ADD COLUMN y; SELECT nonsense");
        let afterwards = Upgrade { then: |_| Err(Error::Damaged("as told".to_owned())), ..TWO.upgrades[0] };
        for upgrades in [Box::leak(Box::new([in_sql])), Box::leak(Box::new([afterwards]))] {
            assert!(Schema { upgrades, ..TWO }.migrate(&mut file).is_err());
            assert_eq!(version(&file)?, 1);
            assert!(file.prepare("SELECT y FROM a").is_err());
        }
        Ok(())
    }
}
