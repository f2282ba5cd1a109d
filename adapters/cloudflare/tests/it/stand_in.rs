//! SQLite as D1: one transaction for each batch, numbers as floating point, and D1's limits enforced.

use nexus_cloudflare::{D1, D1Error, Row, SCHEMA, Statement};
use rusqlite::{Connection, types::ValueRef};
use serde_json::{Map, Value};
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// D1 takes no longer statements, in bytes.
const MAX_SQL: usize = 100_000;
/// D1 takes no longer values, in bytes.
const MAX_VALUE: usize = 2_000_000;

/// What somebody else does.
type Interference = Box<dyn FnOnce(&Connection) + Send>;

/// A database that lives as long as the test.
pub(crate) struct StandIn {
    connection: Mutex<Connection>,
    batches: AtomicUsize,
    before_write: Mutex<Option<Interference>>,
    last: Mutex<Option<Statement>>,
}

impl StandIn {
    pub(crate) fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        Self {
            connection: Mutex::new(connection),
            batches: AtomicUsize::new(0),
            before_write: Mutex::new(None),
            last: Mutex::new(None),
        }
    }

    /// How many batches ran.
    pub(crate) fn batches(&self) -> usize {
        self.batches.load(Ordering::Relaxed)
    }

    /// How SQLite goes about the statement that ran last.
    pub(crate) fn plan(&self) -> String {
        let last = self.last.lock().unwrap().clone().expect("a statement ran");
        let steps = |connection: &Connection| {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", last.sql))?;
            let steps = statement.query_map((&last.parameter,), |row| row.get::<_, String>("detail"))?;
            steps.collect::<rusqlite::Result<Vec<_>>>()
        };
        self.look(steps).unwrap().join("; ")
    }

    /// Does something else before the next batch that writes.
    pub(crate) fn interfere(&self, act: impl FnOnce(&Connection) + Send + 'static) {
        *self.before_write.lock().unwrap() = Some(Box::new(act));
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&self.connection.lock().unwrap())
    }
}

impl D1 for &StandIn {
    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, D1Error> {
        self.batches.fetch_add(1, Ordering::Relaxed);
        let mut connection = self.connection.lock().unwrap();
        if !statements[0].sql.starts_with("SELECT")
            && let Some(act) = self.before_write.lock().unwrap().take()
        {
            act(&connection);
        }
        *self.last.lock().unwrap() = statements.last().cloned();
        let transaction = connection.transaction().unwrap();
        let answers: Result<Vec<_>, _> = statements.iter().map(|statement| run(&transaction, statement)).collect();
        let answers = answers.map_err(|error| D1Error::new(format!("D1_ERROR: {error}: SQLITE_CONSTRAINT")))?;
        transaction.commit().unwrap();
        Ok(answers)
    }
}

fn run(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    assert!(statement.sql.len() <= MAX_SQL && statement.parameter.len() <= MAX_VALUE);
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let places = prepared.parameter_count();
    assert!(places <= 1, "{}", statement.sql);
    let mut rows = if places == 1 { prepared.query((&statement.parameter,))? } else { prepared.query(())? };
    let mut answer = Vec::new();
    while let Some(row) = rows.next()? {
        let column = |(index, name): (usize, &String)| Ok((name.clone(), in_javascript(row.get_ref(index)?)));
        answer.push(Row::new(names.iter().enumerate().map(column).collect::<rusqlite::Result<Map<_, _>>>()?));
    }
    Ok(answer)
}

fn in_javascript(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::from(number as f64),
        ValueRef::Real(number) => Value::from(number),
        ValueRef::Text(text) => Value::from(std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(_) => panic!("no column has bytes"),
    }
}
