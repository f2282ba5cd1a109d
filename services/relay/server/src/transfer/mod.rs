//! Events as lines of JSON, one a line: in and out.
