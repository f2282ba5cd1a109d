//! JSON text in the one form over which ids are computed: no white space, and exactly the escapes of NIP-01.
//! The remaining control characters, on which the NIP is silent, are written as `\u00xx` in lower case, as
//! every deployed library does.

/// Appends `text` as a JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[written..at]);
        push_escape(out, byte);
        written = at + 1;
    }
    out.push_str(&text[written..]);
    out.push('"');
}

/// Appends a number.
pub(crate) fn push_integer(out: &mut String, number: i64) {
    use std::fmt::Write;
    write!(out, "{number}").expect("writing to a string can't fail");
}

fn push_escape(out: &mut String, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        0x08 => out.push_str("\\b"),
        0x0c => out.push_str("\\f"),
        control => {
            out.push_str("\\u00");
            crate::hex::push(out, &[control]);
        }
    }
}
