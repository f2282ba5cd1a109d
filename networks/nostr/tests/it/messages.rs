use crate::make::event;
use nexus_nostr::{Ask, ClientMessage, CountAnswer, EoseHint, Filter, Prefix, Reason, RelayMessage, Reply};

fn answer_to(text: &str) -> String {
    ClientMessage::parse(text).expect_err("it must be refused").answer().to_json()
}

#[test]
fn each_message_is_read() {
    let event = event(1, &[], "hi");
    let parse = |text: &str| ClientMessage::parse(text).unwrap();
    assert!(
        matches!(parse(&format!(" [\"EVENT\" , {}]\n", event.to_json())), ClientMessage::Event(raw) if *raw.peek() == event)
    );
    assert!(
        matches!(parse(&format!("[\"AUTH\",{}]", event.to_json())), ClientMessage::Auth(raw) if *raw.peek() == event)
    );
    assert!(
        matches!(parse(r#"["REQ","s",{},{"kinds":[1]}]"#), ClientMessage::Req { sub, filters } if sub == "s" && filters.len() == 2)
    );
    assert!(
        matches!(parse(r#"["COUNT","c",{}]"#), ClientMessage::Count { sub, filters } if sub == "c" && filters.len() == 1)
    );
    assert!(matches!(parse(r#"["CLOSE","s"]"#), ClientMessage::Close { sub } if sub == "s"));
    assert!(
        matches!(parse(r#"["NEG-OPEN","n",{},"61ff"]"#), ClientMessage::NegOpen { message, .. } if message == [0x61, 0xff])
    );
    assert!(matches!(parse(r#"["NEG-MSG","n","61"]"#), ClientMessage::NegMsg { message, .. } if message == [0x61]));
    assert!(matches!(parse(r#"["NEG-CLOSE","n"]"#), ClientMessage::NegClose { sub } if sub == "n"));
}

#[test]
fn what_cannot_be_read_is_answered_at_its_address() {
    let id = "f".repeat(64);
    let long = "x".repeat(65);
    let cut = "x".repeat(64);
    for (text, answer) in [
        ("{}".to_owned(), r#"["NOTICE","invalid: expected an array at byte 0"]"#.to_owned()),
        ("[]".to_owned(), r#"["NOTICE","unsupported: unknown message type"]"#.to_owned()),
        (r#"["PING"]"#.to_owned(), r#"["NOTICE","unsupported: unknown message type"]"#.to_owned()),
        (r#"["EVENT"]"#.to_owned(), r#"["NOTICE","invalid: the event is missing"]"#.to_owned()),
        (r#"["EVENT",{"kind":1}]"#.to_owned(), r#"["NOTICE","invalid: id is missing"]"#.to_owned()),
        (r#"["EVENT",{"id":7}]"#.to_owned(), r#"["NOTICE","invalid: expected a string at byte 15"]"#.to_owned()),
        (
            format!(r#"["EVENT",{{"kind":99999,"id":"{id}"}}]"#),
            format!(r#"["OK","{id}",false,"invalid: kind out of range"]"#),
        ),
        (r#"["EVENT",{"id":"abc"}]"#.to_owned(), r#"["OK","abc",false,"invalid: bad id"]"#.to_owned()),
        (format!(r#"["EVENT",{{"id":"{long}"}}]"#), format!(r#"["OK","{cut}",false,"invalid: bad id"]"#)),
        (
            format!(r#"["EVENT",{{"id":"{id}","kind":1e3}}]"#),
            format!(r#"["OK","{id}",false,"invalid: not an integer at byte 89"]"#),
        ),
        (
            format!(r#"["EVENT",{{"id":"{id}","kind":x}}]"#),
            r#"["NOTICE","invalid: expected an integer at byte 89"]"#.to_owned(),
        ),
        (r#"["REQ","s"]"#.to_owned(), r#"["CLOSED","s","invalid: a filter is missing"]"#.to_owned()),
        (r#"["REQ",7,{}]"#.to_owned(), r#"["NOTICE","invalid: bad subscription id"]"#.to_owned()),
        (
            r#"["REQ","s",{"foo":1}]"#.to_owned(),
            r#"["CLOSED","s","unsupported: unknown filter element 'foo'"]"#.to_owned(),
        ),
        (r#"["REQ","s",{},{"ids":["x"]}]"#.to_owned(), r#"["CLOSED","s","invalid: bad ids"]"#.to_owned()),
        (
            format!(r#"["REQ","{long}",{{}}]"#),
            format!(
                r#"["CLOSED","{cut}","invalid: bad subscription id: it must have 1 to 64 characters, none of them a control"]"#
            ),
        ),
        (r#"["NEG-OPEN","n",{},"6"]"#.to_owned(), r#"["NEG-ERR","n","invalid: bad hex"]"#.to_owned()),
        (r#"["NEG-MSG","n","XX"]"#.to_owned(), r#"["NEG-ERR","n","invalid: bad hex"]"#.to_owned()),
        (r#"["CLOSE","s"] x"#.to_owned(), r#"["NOTICE","invalid: expected the end at byte 14"]"#.to_owned()),
    ] {
        assert_eq!(answer_to(&text), answer, "{text}");
    }
}

#[test]
fn sixty_four_characters_are_enough_for_any_alphabet() {
    let name = "é".repeat(64);
    assert!(ClientMessage::parse(&format!(r#"["REQ","{name}",{{}}]"#)).is_ok());
    assert!(ClientMessage::parse(r#"["REQ","",{}]"#).is_err());
    assert!(ClientMessage::parse(r#"["REQ","a\nb",{}]"#).is_err());
}

#[test]
fn each_answer_has_its_form() {
    let event = event(1, &[], "x");
    let id = event.id.to_string();
    let json = event.to_json();
    let reason = || Reason::new(Prefix::RateLimited, "slow \"down\"");
    for (message, expected) in [
        (RelayMessage::Event { sub: "a\"b", json: &json }, format!(r#"["EVENT","a\"b",{json}]"#)),
        (RelayMessage::Accepted { id: &event.id, remark: None }, format!(r#"["OK","{id}",true,""]"#)),
        (
            RelayMessage::Refused { id: "x", reason: reason() },
            r#"["OK","x",false,"rate-limited: slow \"down\""]"#.to_owned(),
        ),
        (RelayMessage::Eose { sub: "s", hint: None }, r#"["EOSE","s"]"#.to_owned()),
        (RelayMessage::Eose { sub: "s", hint: Some(EoseHint::Finish) }, r#"["EOSE","s",["finish"]]"#.to_owned()),
        (RelayMessage::Eose { sub: "s", hint: Some(EoseHint::More) }, r#"["EOSE","s",["more"]]"#.to_owned()),
        (RelayMessage::Auth { challenge: "c" }, r#"["AUTH","c"]"#.to_owned()),
        (RelayMessage::NegMsg { sub: "n", message: &[0x61, 0] }, r#"["NEG-MSG","n","6100"]"#.to_owned()),
        (
            RelayMessage::NegErr { sub: "n", reason: reason(), limit: Some(5) },
            r#"["NEG-ERR","n","rate-limited: slow \"down\"",5]"#.to_owned(),
        ),
    ] {
        assert_eq!(message.to_json(), expected);
    }
    let answer = CountAnswer { count: 7, approximate: true, registers: Some(&[1; 256]) };
    let expected = format!(r#"["COUNT","c",{{"count":7,"approximate":true,"hll":"{}"}}]"#, "01".repeat(256));
    assert_eq!(RelayMessage::Count { sub: "c", answer }.to_json(), expected);
}

#[test]
fn what_a_client_says_is_what_a_relay_reads() {
    let event = event(1, &[], "hi");
    let filter = Filter::parse(r#"{"kinds":[1],"limit":3}"#).unwrap();
    let read = |ask: Ask<'_>| ClientMessage::parse(&ask.to_json()).expect("a relay reads it");
    let ClientMessage::Event(read_event) = read(Ask::Event(&event.to_json())) else { panic!("an event") };
    assert_eq!(*read_event.peek(), event);
    let ClientMessage::Auth(read_event) = read(Ask::Auth(&event)) else { panic!("an authentication") };
    assert_eq!(*read_event.peek(), event);
    let ClientMessage::Req { sub, filters } = read(Ask::Req("a\"b", &filter)) else { panic!("a subscription") };
    assert_eq!((sub.as_str(), &filters[..]), ("a\"b", std::slice::from_ref(&filter)));
    assert!(matches!(read(Ask::Close("a")), ClientMessage::Close { sub } if sub == "a"));
    let ClientMessage::NegOpen { sub, filter: read_filter, message } = read(Ask::NegOpen("a", &filter, &[97, 0]))
    else {
        panic!("a negotiation")
    };
    assert_eq!((sub.as_str(), *read_filter, message), ("a", filter, vec![97, 0]));
    assert!(matches!(read(Ask::NegMsg("a", &[1])), ClientMessage::NegMsg { message, .. } if message == [1]));
    assert!(matches!(read(Ask::NegClose("a")), ClientMessage::NegClose { sub } if sub == "a"));
}

#[test]
fn what_a_relay_says_is_what_a_client_reads() {
    let event = event(1, &[], "hi");
    let reason = || Reason::new(Prefix::Blocked, "no");
    let read = |message: RelayMessage<'_>| Reply::parse(&message.to_json()).expect("a client reads it");
    let shown = read(RelayMessage::Event { sub: "a", json: &event.to_json() });
    assert!(matches!(shown, Reply::Event { sub, event: shown } if sub == "a" && *shown.peek() == event));
    let taken = read(RelayMessage::Accepted { id: &event.id, remark: None });
    assert!(matches!(taken, Reply::Ok { id, taken: true, message } if id == event.id && message.is_empty()));
    let refused = read(RelayMessage::Refused { id: &event.id.to_string(), reason: reason() });
    assert!(matches!(refused, Reply::Ok { taken: false, message, .. } if message == "blocked: no"));
    assert!(
        matches!(read(RelayMessage::Eose { sub: "a", hint: Some(EoseHint::More) }), Reply::Eose { sub } if sub == "a")
    );
    let closed = read(RelayMessage::Closed { sub: "a", reason: reason() });
    assert!(matches!(closed, Reply::Closed { message, .. } if message == "blocked: no"));
    assert!(matches!(read(RelayMessage::Notice(reason())), Reply::Notice(text) if text == "blocked: no"));
    assert!(matches!(read(RelayMessage::Auth { challenge: "x" }), Reply::Auth(challenge) if challenge == "x"));
    let moved = read(RelayMessage::NegMsg { sub: "a", message: &[97] });
    assert!(matches!(moved, Reply::NegMsg { message, .. } if message == [97]));
    let ended = read(RelayMessage::NegErr { sub: "a", reason: reason(), limit: Some(5) });
    assert!(matches!(ended, Reply::NegErr { message, .. } if message == "blocked: no"));
    assert!(matches!(Reply::parse(r#"["NEW",1]"#), Ok(Reply::Other)));
    for text in ["", "{}", "[]x", r#"["EVENT","a"]"#, r#"["OK","x",true]"#, r#"["NEG-MSG","a","xy"]"#, r#"["EOSE"]"#] {
        assert!(Reply::parse(text).is_err(), "{text}");
    }
}
