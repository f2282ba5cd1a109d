//! Tests of the social service's pure half.

mod store;
