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

    /// The next jobs, whatever their kind and state; of a provider, whoever their customer is.
    fn page(&self, connection: &Connection) -> Result<Vec<Job>> {
        let mut statement = connection.prepare_cached(&self.sql())?;
        let mut rows = statement.query(params_from_iter(self.values()))?;
        let mut jobs = Vec::with_capacity(PAGE);
        while let Some(row) = rows.next()? {
            jobs.push(job(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
        }
        Ok(jobs)
    }

    /// A statement that finds jobs by an index in the order in which they are wanted.
    fn sql(&self) -> String {
        let (source, condition) = match (&self.query.provider, &self.query.customer) {
            (Some(_), _) => ("job_provider x CROSS JOIN job j ON j.id = x.id", "x.pubkey = ?5 AND"),
            (None, Some(_)) => ("job x", "x.customer = ?5 AND"),
            (None, None) => ("job x", ""),
        };
        format!(
            "SELECT json FROM {source} WHERE {condition} x.created_at >= ?1 AND x.created_at <= ?2 \
             AND (x.created_at < ?3 OR x.id > ?4) ORDER BY x.created_at DESC, x.id LIMIT {PAGE}"
        )
    }

    fn values(&self) -> Vec<Value> {
        let (at, id) = self.after.map_or((Seconds::MAX, Vec::new()), |(at, id)| (at, id.as_bytes().to_vec()));
        let oldest = self.query.since.map_or(i64::MIN, Seconds::get);
        let newest = self.query.until.map_or(at, |until| until.min(at));
        let of_whom = self.query.provider.or(self.query.customer).map(|key| key.as_bytes().to_vec().into());
        [oldest.into(), newest.get().into(), at.get().into(), id.into()].into_iter().chain(of_whom).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::SCHEMA;
    use nexus_nostr::PublicKey;

    /// How SQLite goes about the page of a query.
    fn plan(customer: Option<PublicKey>, provider: Option<PublicKey>) -> rusqlite::Result<String> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(SCHEMA.newest)?;
        let question = JobsQuestion::new(&JobQuery { customer, provider, ..JobQuery::default() });
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", question.sql()))?;
        let steps = statement.query_map(params_from_iter(question.values()), |row| row.get::<_, String>("detail"))?;
        Ok(steps.collect::<rusqlite::Result<Vec<_>>>()?.join("; "))
    }

    #[test]
    fn a_page_is_read_in_the_order_of_an_index() -> rusqlite::Result<()> {
        let key = Some(PublicKey::from_bytes([1; 32]));
        for (customer, provider, index) in [
            (None, None, "INDEX job_time (created_at>? AND created_at<?)"),
            (key, None, "INDEX job_customer (customer=? AND created_at>? AND created_at<?)"),
            (None, key, "INDEX job_provider_time (pubkey=? AND created_at>? AND created_at<?)"),
            (key, key, "INDEX job_provider_time (pubkey=? AND created_at>? AND created_at<?)"),
        ] {
            let plan = plan(customer, provider)?;
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
        Ok(())
    }
}
