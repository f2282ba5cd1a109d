//! Delivery by webhook: events are posted until the other side takes them.
//!
//! How many are under way at once is the channel's window, which is fixed here: a request that is answered is an
//! acknowledgement, and one that is not is tried again for as long as the service runs. What may be under way
//! together may also travel in one request.

mod signature;

use metrics::counter;
use nexus_delivery::channel::{Acknowledger, Consumer, Handle};
use nexus_model::Seq;
use nexus_runtime::Clock;
use nexus_sync::event::with_id;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The longest a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where and how events are posted.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The address, which the operator chose.
    pub url: String,
    /// Sent as the password of `admin`, if there is one.
    pub password: Option<String>,
    /// Signs requests, if there is one.
    pub secret: Option<String>,
    /// How the service calls itself.
    pub user_agent: String,
    /// Events in one request; more than one are sent as a list, however many there are just then.
    pub batch: usize,
}

/// A random part of a wait, in milliseconds below a second, so that events that failed together come apart.
pub type Jitter = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What posting takes from outside.
#[derive(Clone)]
pub struct Tools {
    /// Makes requests.
    pub client: reqwest::Client,
    /// Tells the time.
    pub clock: Clock,
    /// Spreads tries.
    pub jitter: Jitter,
}

impl Webhook {
    /// Posts the events of `channel` until it ends. At a stop that is when what is under way was answered, or the
    /// channel no longer waits for it.
    ///
    /// # Errors
    /// None; the type fits `Tasks::spawn`.
    pub async fn run(self, channel: Handle<Arc<str>>, tools: Tools) -> Result<(), Infallible> {
        if let Some(consumer) = channel.join().await {
            post_all(Arc::new(Poster { webhook: self, tools }), consumer).await;
        }
        Ok(())
    }
}

struct Poster {
    webhook: Webhook,
    tools: Tools,
}

/// Events that share a request.
type Parcel = Vec<(Seq, Arc<str>)>;

/// The set is bounded by the channel: it hands out no more than its window before something is acknowledged.
async fn post_all(poster: Arc<Poster>, mut consumer: Consumer<Arc<str>>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            next = consumer.next() => {
                let Some(first) = next else { return };
                let mut parcel = vec![first];
                while parcel.len() < poster.webhook.batch
                    && let Some(more) = consumer.try_next()
                {
                    parcel.push(more);
                }
                under_way.spawn(Arc::clone(&poster).until_taken(parcel, consumer.acknowledger()));
            }
            Some(_) = under_way.join_next() => {}
        }
    }
}

impl Poster {
    async fn until_taken(self: Arc<Self>, parcel: Parcel, acknowledger: Acknowledger<Arc<str>>) {
        let text = self.text(&parcel);
        for failures in 0_u32.. {
            match self.post(text.clone()).await {
                Ok(()) => break,
                Err(reason) => {
                    tracing::warn!(first = %parcel[0].0, failures, %reason, "the webhook did not take events")
                }
            }
            // 1, 2, 4, 8 and then always 10 seconds.
            let seconds = 2_u64.saturating_pow(failures).min(10);
            tokio::time::sleep(Duration::from_millis(seconds * 1_000 + (self.tools.jitter)())).await;
        }
        acknowledger.acknowledge(parcel.into_iter().map(|(seq, _)| seq).collect()).await;
    }

    fn text(&self, parcel: &Parcel) -> String {
        let events: Vec<String> = parcel.iter().map(|(seq, body)| with_id(*seq, body)).collect();
        if self.webhook.batch > 1 { format!("[{}]", events.join(",")) } else { events.concat() }
    }

    async fn post(&self, text: String) -> Result<(), String> {
        let Webhook { url, password, secret, user_agent, .. } = &self.webhook;
        let request = self.tools.client.post(url).timeout(TIMEOUT);
        let mut request = request.header("Content-Type", "application/json").header("User-Agent", user_agent);
        if let Some(password) = password {
            request = request.basic_auth("admin", Some(password));
        }
        if let Some(secret) = secret {
            request = request.header(signature::HEADER, signature::of(secret, self.tools.clock.now(), &text));
        }
        // The address may hold a secret of the operator's: it stays out of the log.
        let answer = request.body(text).send().await.map_err(|error| error.without_url().to_string());
        let (outcome, taken) = match answer.map(|response| response.status()) {
            Ok(status) if status.is_success() => ("success", Ok(())),
            Ok(status) => ("non_2xx", Err(format!("answered {status}"))),
            Err(reason) => ("error", Err(reason)),
        };
        counter!("tap_webhook_requests_total", "status" => outcome).increment(1);
        taken
    }
}
