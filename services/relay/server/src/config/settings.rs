//! The settings as the relay's core takes them.

use super::{
    KindNumber, KindRange, Limits, Network, Policy, Profile, Rate, RateOfKind, Rates, Relay, Retention, Scrape,
};
use nexus_config::Bounded;
use nexus_nostr::{Kind, nip::nip13::Commitment, nip::nip42::RelayUrl};
use nexus_relay::{
    market,
    settings::{self, Requirement, Settings, Switch},
};
use std::ops::RangeInclusive;

impl Relay {
    /// Everything that the core needs to know.
    pub fn settings(&self) -> Settings {
        Settings {
            urls: self.urls(),
            limits: self.limits.to_core(self.connections.outbound.count()),
            auth: settings::Auth {
                required: requirement(self.auth.required),
                timeout: seconds(self.auth.timeout.get()),
                trusted: self.admin_pubkeys.iter().map(|key| key.0).collect(),
            },
            read: self.reading(),
            write: self.writing(),
            pow: self.work(),
            rates: self.rates.to_core(),
            market: settings::Market {
                validate: match self.market.validate {
                    Profile::Off => market::Profile::Off,
                    Profile::Lenient => market::Profile::Lenient,
                    Profile::Strict => market::Profile::Strict,
                },
                content_bytes: self.market.max_content.count(),
                route: switch(self.market.route),
                target_exclusive: switch(self.market.target_exclusive),
                presence: switch(self.market.presence),
            },
            retention: self.retention(),
        }
    }

    /// The addresses under which clients know the relay.
    pub fn urls(&self) -> Vec<RelayUrl> {
        self.url.iter().chain(&self.auth.relay_urls).map(super::RelayAddress::url).collect()
    }

    fn reading(&self) -> settings::ReadPolicy {
        settings::ReadPolicy {
            restricted_kinds: kinds(&self.read.restricted_kinds).into(),
            scrape: match self.read.scrape {
                Scrape::Allow => settings::Scrape::Allowed,
                Scrape::Limited => settings::Scrape::Limited,
                Scrape::Deny => settings::Scrape::Denied,
            },
            allowed_kinds: ranges(&self.read.allowed_kinds, &self.read.allowed_ranges),
            author_or_tag: requirement(self.read.require_author_or_tag),
            auth_kinds: ranges(&self.read.auth_kinds, &[]),
            search: switch(self.read.search),
            intent: switch(self.read.intent),
            eose_hint: switch(self.read.eose_hint),
        }
    }

    fn writing(&self) -> settings::WritePolicy {
        settings::WritePolicy {
            always_kinds: kinds(&self.write.always_kinds),
            bare_seals: switch(!self.write.refuse_bare_seal),
            mute: switch(self.write.mute),
            policies: self.policy.iter().map(Policy::to_core).collect(),
        }
    }

    fn work(&self) -> settings::Pow {
        let of_kind = |rule: &super::PowOfKind| (Kind::new(rule.kind.0), narrow(rule.min));
        settings::Pow {
            min: narrow(self.pow.min),
            kinds: self.pow.kinds.iter().map(of_kind).collect(),
            commitment: if self.pow.require_commitment { Commitment::Required } else { Commitment::Optional },
        }
    }

    /// The operator's rules, then the market's.
    fn retention(&self) -> Vec<settings::Retention> {
        let market = [
            (vec![5000..=5999, 7000..=7000], self.market.keep_requests),
            (vec![6000..=6999], self.market.keep_results),
        ];
        let kept = |(kinds, span): (Vec<_>, nexus_config::Span<0, 3_153_600_000_000>)| settings::Retention {
            kinds,
            max_age: Some(seconds(span.get())).filter(|age| *age > 0),
            ..settings::Retention::default()
        };
        self.retention.iter().map(Retention::to_core).chain(market.map(kept)).collect()
    }
}

impl Retention {
    fn to_core(&self) -> settings::Retention {
        settings::Retention {
            kinds: ranges(&self.kinds, &self.ranges),
            max_age: self.max_age.map(|age| seconds(age.get())),
            max_count: self.max_count.map(Bounded::get),
            per_pubkey_count: self.per_pubkey_count.map(Bounded::get),
            max_bytes: self.max_bytes.map(|bytes| bytes.get()),
            exempt: self.exempt.iter().map(|key| key.0).collect(),
            exempt_members: switch(self.exempt_members),
        }
    }
}

impl Limits {
    fn to_core(&self, outbound_bytes: usize) -> settings::Limits {
        settings::Limits {
            message_bytes: self.message.count(),
            event_bytes: self.event.count(),
            tags: self.tags.count(),
            tag_value_bytes: self.tag_value.count(),
            subscriptions: self.subscriptions.count(),
            authenticated_subscriptions: self.authenticated_subscriptions.count(),
            filters: self.filters.count(),
            filter_values: self.filter_values.count(),
            search_words: self.search_words.count(),
            subscription_values: self.subscription_values.count(),
            tag_conditions: self.tag_conditions.count(),
            limit: self.limit.count(),
            default_limit: self.default_limit.count(),
            future: seconds(self.future.get()),
            past: seconds(self.past.get()),
            ephemeral_age: seconds(self.ephemeral_age.get()),
            count: self.count.get(),
            negentropy: self.negentropy.count(),
            negentropy_frame: self.negentropy_frame.get(),
            negentropy_idle: seconds(self.negentropy_idle.get()),
            live_buffer: self.live_buffer.count(),
            outbound_bytes,
            protocol_errors: narrow(self.protocol_errors),
            keys: self.keys.count(),
            boundary: self.boundary.count(),
            removal_days: i64::try_from(self.removal_days.get()).unwrap_or(i64::MAX),
            held: self.held.count(),
        }
    }
}

impl Rates {
    /// The networks whose clients are not limited.
    pub(crate) fn trusted(&self) -> impl Iterator<Item = nexus_relay::rules::lists::Network> {
        self.trusted_ips.iter().filter_map(Network::to_core)
    }

    fn to_core(&self) -> settings::Rates {
        settings::Rates {
            messages: self.messages.to_core(),
            events: self.events.to_core(),
            queries: self.queries.to_core(),
            negentropy: self.negentropy.to_core(),
            author_events: self.author_events.to_core(),
            kinds: self.kinds.iter().map(RateOfKind::to_core).collect(),
            gift_wraps: self.gift_wraps.to_core(),
            bad_signatures: narrow(self.bad_signatures),
            ban: seconds(self.ban.get()),
            trusted: self.trusted().collect(),
            authenticated_factor: narrow(self.authenticated_factor),
            remembered: self.remembered.count(),
        }
    }
}

impl RateOfKind {
    fn to_core(&self) -> (Kind, settings::Rate) {
        let rate = settings::Rate { burst: narrow(self.burst), per_minute: narrow(self.per_minute) };
        (Kind::new(self.kind.0), rate)
    }
}

impl Rate {
    fn to_core(&self) -> settings::Rate {
        settings::Rate { burst: narrow(self.burst), per_minute: narrow(self.per_minute) }
    }
}

fn kinds(numbers: &[KindNumber]) -> Vec<Kind> {
    numbers.iter().map(|KindNumber(kind)| Kind::new(*kind)).collect()
}

/// Single kinds and ranges of them.
pub(super) fn ranges(kinds: &[KindNumber], ranges: &[KindRange]) -> Vec<RangeInclusive<u16>> {
    let single = kinds.iter().map(|KindNumber(kind)| *kind..=*kind);
    single.chain(ranges.iter().map(|range| range.range())).collect()
}

pub(super) fn narrow<const MIN: u64, const MAX: u64>(number: Bounded<MIN, MAX>) -> u32 {
    u32::try_from(number.get()).unwrap_or(u32::MAX)
}

pub(super) fn seconds(millis: u64) -> i64 {
    i64::try_from(millis / 1_000).unwrap_or(i64::MAX)
}

const fn requirement(is_required: bool) -> Requirement {
    if is_required { Requirement::Required } else { Requirement::Optional }
}

const fn switch(is_on: bool) -> Switch {
    if is_on { Switch::On } else { Switch::Off }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_core() {
        let ours = Settings { retention: settings::Retention::of_the_market(), ..Settings::default() };
        assert_eq!(format!("{:?}", Relay::default().settings()), format!("{ours:?}"));
    }

    #[test]
    fn the_operators_retention_comes_before_the_markets() {
        let retention = Retention {
            kinds: vec![KindNumber(5050)],
            ranges: vec![KindRange::try_from([1, 3]).unwrap()],
            max_age: Some(nexus_config::Span::of(60_000)),
            ..Retention::default()
        };
        let settings = Relay { retention: vec![retention].into(), ..Relay::default() }.settings();
        let kept = |kind| settings::Retention::of(&settings.retention, Kind::new(kind)).and_then(|rule| rule.max_age);
        assert_eq!((kept(2), kept(5050), kept(5051), kept(1063)), (Some(60), Some(60), Some(86_400), None));
    }

    #[test]
    fn administrators_are_trusted() {
        let admin = super::super::Pubkey::try_from("11".repeat(32)).unwrap();
        let settings = Relay { admin_pubkeys: vec![admin], ..Relay::default() }.settings();
        assert_eq!(settings.auth.trusted, [admin.0]);
    }

    #[test]
    fn values_with_a_grammar_are_checked() {
        for text in ["http://", "relay.example.com", ""] {
            assert!(super::super::RelayAddress::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(KindRange::try_from([2, 1]).is_err());
        assert!(super::super::Pubkey::try_from("00".repeat(31)).is_err());
    }
}
