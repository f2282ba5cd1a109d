//! The packet by which a key's holder is found: HTTPS at the key itself, with the port and a hint of the address, and
//! the address again on its own (spec d.0).

use nexus_model::Timestamp;
use pkarr::{
    Keypair, SignedPacket,
    dns::{Name, rdata::SVCB},
    errors::SignedPacketBuildError,
};
use std::net::{IpAddr, SocketAddr};

/// How long it holds, in seconds.
const TTL: u32 = 3 * 60 * 60;

/// The packet of a key whose holder is reached at `address`, signed at `now`.
pub(super) fn of(pair: &Keypair, address: SocketAddr, now: Timestamp) -> Result<SignedPacket, SignedPacketBuildError> {
    let itself = Name::new_unchecked(".");
    let mut service = SVCB::new(1, itself.clone());
    service.set_port(address.port());
    match address.ip() {
        IpAddr::V4(ip) => service.set_ipv4hint(&[ip.to_bits()]),
        IpAddr::V6(ip) => service.set_ipv6hint(&[ip.to_bits()]),
    }
    let micros = now.millis().unsigned_abs() * 1000;
    let records = SignedPacket::builder().https(itself.clone(), service, TTL).address(itself, address.ip(), TTL);
    records.timestamp(micros.into()).sign(pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pkarr::dns::rdata::{RData, SVCParam};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_packet_says_where_the_holder_is(seed: [u8; 32], ip: IpAddr, port: u16, now in 0i64..4_102_444_800_000) {
            let pair = Keypair::from_secret_key(&seed);
            let packet = of(&pair, SocketAddr::new(ip, port), Timestamp::from_millis(now)).unwrap();
            let payload = packet.to_relay_payload();
            let read = SignedPacket::from_relay_payload(&pair.public_key(), &payload).unwrap();
            prop_assert_eq!(read.timestamp().as_u64(), now.unsigned_abs() * 1000);
            let records: Vec<_> = read.all_resource_records().collect();
            prop_assert_eq!(records.len(), 2);
            for record in records {
                prop_assert_eq!(record.ttl, 10_800);
                match &record.rdata {
                    RData::HTTPS(https) => {
                        let hint = match ip {
                            IpAddr::V4(ip) => SVCParam::Ipv4Hint(vec![ip.to_bits()]),
                            IpAddr::V6(ip) => SVCParam::Ipv6Hint(vec![ip.to_bits()]),
                        };
                        let said: Vec<_> = https.0.iter_params().cloned().collect();
                        prop_assert_eq!(said, vec![SVCParam::Port(port), hint]);
                    }
                    RData::A(a) => prop_assert_eq!(IpAddr::V4(a.address.into()), ip),
                    RData::AAAA(a) => prop_assert_eq!(IpAddr::V6(a.address.into()), ip),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
    }
}
