//! Delivery by webhook: each event is posted until the other side takes it.
//!
//! How many are under way at once is the channel's window, which is fixed here: a request that is answered is an
//! acknowledgement, and one that is not is tried again for as long as the service runs.

use nexus_delivery::channel::{Consumer, Handle};
use nexus_model::Seq;
use nexus_runtime::CancellationToken;
use nexus_sync::event::with_id;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The longest a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where events are posted.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The address, which the operator chose.
    pub url: String,
    /// Sent as the password of `admin`, if there is one.
    pub password: Option<String>,
    /// How the service calls itself.
    pub user_agent: String,
}

/// A random part of a wait, in milliseconds below a second, so that events that failed together come apart.
pub type Jitter = Arc<dyn Fn() -> u64 + Send + Sync>;

impl Webhook {
    /// Posts the events of `channel` until it ends or `stop`.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub async fn run(
        self,
        channel: Handle<Arc<str>>,
        client: reqwest::Client,
        jitter: Jitter,
        stop: CancellationToken,
    ) -> Result<(), Infallible> {
        if let Some(consumer) = channel.join().await {
            let poster = Arc::new(Poster { webhook: self, client, jitter });
            tokio::select! {
                () = post_all(poster, consumer) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }
}

struct Poster {
    webhook: Webhook,
    client: reqwest::Client,
    jitter: Jitter,
}

/// The set is bounded by the channel: it hands out no more than its window before something is acknowledged.
async fn post_all(poster: Arc<Poster>, mut consumer: Consumer<Arc<str>>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            next = consumer.next() => {
                let Some((seq, body)) = next else { return };
                let (poster, acknowledger) = (Arc::clone(&poster), consumer.acknowledger());
                under_way.spawn(async move {
                    poster.until_taken(seq, &body).await;
                    acknowledger.acknowledge(seq).await;
                });
            }
            Some(_) = under_way.join_next() => {}
        }
    }
}

impl Poster {
    async fn until_taken(&self, seq: Seq, body: &str) {
        let text = with_id(seq, body);
        for failures in 0_u32.. {
            match self.post(text.clone()).await {
                Ok(()) => return,
                Err(reason) => tracing::warn!(%seq, failures, %reason, "the webhook did not take an event"),
            }
            // 1, 2, 4, 8 and then always 10 seconds.
            let seconds = 2_u64.saturating_pow(failures).min(10);
            tokio::time::sleep(Duration::from_millis(seconds * 1_000 + (self.jitter)())).await;
        }
    }

    async fn post(&self, text: String) -> Result<(), String> {
        let request = self.client.post(&self.webhook.url).timeout(TIMEOUT);
        let request = request.header("Content-Type", "application/json").header("User-Agent", &self.webhook.user_agent);
        let request = match &self.webhook.password {
            Some(password) => request.basic_auth("admin", Some(password)),
            None => request,
        };
        // The address may hold a secret of the operator's: it stays out of the log.
        let response = request.body(text).send().await.map_err(|error| error.without_url().to_string())?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("answered {status}")) }
    }
}
