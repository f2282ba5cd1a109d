//! Joining the layers.

use crate::{
    error::{Error, Problem},
    layer::{Layer, put},
    node::Setting,
};
use toml::Table;

/// A configuration, with what is worth a word about it.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The settings.
    pub settings: T,
    /// What the operator should know, a sentence each.
    pub warnings: Vec<String>,
}

/// Joins layers, later ones winning, over the defaults.
///
/// # Errors
/// [`Error::Invalid`] with everything that is wrong in any layer.
pub fn load<T: Setting>(layers: Vec<Layer>) -> Result<Loaded<T>, Error> {
    let mut table = Table::new();
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for layer in layers {
        problems.extend(layer.problems);
        warnings.extend(layer.warnings);
        for (path, value) in layer.values {
            put(&mut table, &path.join("."), value);
        }
    }
    if !problems.is_empty() {
        return Err(Error::Invalid(problems));
    }
    // Each value fits by itself: what fails here is a table in a list.
    let settings = T::deserialize(toml::Value::Table(table))
        .map_err(|cause| Error::Invalid(vec![Problem::Conflict(cause.message().to_owned())]))?;
    Ok(Loaded { settings, warnings })
}
