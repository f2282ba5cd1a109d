//! Questions for jobs. What a column says is left to SQLite; the rest is read row by row, between pages of which the
//! question can wait.

use super::{index::Snapshot, known::job, readers::Question};
use crate::Result;
use nexus_nostr::{EventId, Seconds};
use nexus_relay::market::{Job, JobQuery};
use rusqlite::{Connection, params_from_iter, types::Value};
use std::time::Instant;

/// Jobs that are read before it is asked whether there is time for more.
const PAGE: usize = 128;

/// The jobs that match a query, up to its limit.
pub(super) struct JobsQuestion {
    query: JobQuery,
    /// The last job that was read.
    after: Option<(Seconds, EventId)>,
    found: Vec<Job>,
}

impl JobsQuestion {
    pub(super) fn new(query: &JobQuery) -> Self {
        Self { query: query.clone(), after: query.after, found: Vec::new() }
    }

    /// The next jobs, whatever their kind and state.
    fn page(&self, connection: &Connection) -> Result<Vec<Job>> {
        let (at, id) = self.after.map_or((Seconds::MAX, Vec::new()), |(at, id)| (at, id.as_bytes().to_vec()));
        let oldest = self.query.since.map_or(i64::MIN, Seconds::get);
        let newest = self.query.until.map_or(at, |until| until.min(at));
        let mut conditions = "created_at >= ? AND created_at <= ? AND (created_at < ? OR id > ?)".to_owned();
        let mut values: Vec<Value> = vec![oldest.into(), newest.get().into(), at.get().into(), id.into()];
        if let Some(customer) = &self.query.customer {
            conditions.push_str(" AND customer = ?");
            values.push(customer.as_bytes().to_vec().into());
        }
        if let Some(provider) = &self.query.provider {
            conditions.push_str(" AND id IN (SELECT id FROM job_provider WHERE pubkey = ?)");
            values.push(provider.as_bytes().to_vec().into());
        }
        let sql = format!("SELECT json FROM job WHERE {conditions} ORDER BY created_at DESC, id LIMIT {PAGE}");
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut jobs = Vec::with_capacity(PAGE);
        while let Some(row) = rows.next()? {
            jobs.push(job(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
        }
        Ok(jobs)
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.query.limit
    }
}

impl Question for JobsQuestion {
    type Answer = Vec<Job>;

    fn begin(&mut self, _: &Connection, _: &Snapshot) -> Result<()> {
        Ok(())
    }

    fn go_on(&mut self, connection: &Connection, end: Instant) -> Result<Option<Vec<Job>>> {
        while !self.is_full() {
            let page = self.page(connection)?;
            let is_last = page.len() < PAGE;
            self.after = page.last().and_then(|job| Some((job.request.as_ref()?.created_at, job.id)));
            let room = self.query.limit - self.found.len();
            self.found.extend(page.into_iter().filter(|job| self.query.matches(job)).take(room));
            if is_last {
                break;
            }
            if !self.is_full() && Instant::now() >= end {
                return Ok(None);
            }
        }
        Ok(Some(std::mem::take(&mut self.found)))
    }
}
