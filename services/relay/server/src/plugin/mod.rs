//! Write policies in a child process that speaks strfry's protocol: a line of JSON in, a line out.
