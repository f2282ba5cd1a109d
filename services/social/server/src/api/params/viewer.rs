//! Who looks, whose tags count, and who is left out.

use super::PubkyIdText;
use crate::api::error::ApiError;
use nexus_pubky::PubkyId;
use nexus_social::{query::Depth, read::TaggerScope};
use serde::Deserialize;
use utoipa::IntoParams;

/// Who looks.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Viewer {
    /// Viewer Pubky ID
    #[param(value_type = Option<PubkyIdText>)]
    pub(crate) viewer_id: Option<PubkyId>,
}

/// Whether those whom the viewer mutes are left out.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct ExcludeMuted(bool);

impl ExcludeMuted {
    /// Whose mutes count. Without a viewer, nobody's can be left out.
    pub(crate) fn by(self, viewer: Option<PubkyId>) -> Result<Option<PubkyId>, ApiError> {
        match (self.0, viewer) {
            (true, None) => Err(ApiError::invalid("`exclude_muted` requires `viewer_id`")),
            (true, viewer) => Ok(viewer),
            (false, _) => Ok(None),
        }
    }
}

/// Who looks, and how far the taggers may be.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Trust {
    /// Viewer Pubky ID
    #[param(value_type = Option<PubkyIdText>)]
    pub(crate) viewer_id: Option<PubkyId>,
    /// WoT depth (1-3). Provide it together with `viewer_id` to filter tags through the viewer's Web of Trust.
    #[param(value_type = Option<i32>, minimum = 0)]
    depth: Option<u32>,
}

impl Trust {
    /// The depth, if one is asked for.
    pub(crate) fn depth(&self) -> Result<Option<Depth>, ApiError> {
        match (self.viewer_id, self.depth) {
            (_, None) => Ok(None),
            (None, Some(_)) => Err(ApiError::invalid("`depth` requires `viewer_id`")),
            (Some(_), Some(steps)) => steps_within(steps).map(Some),
        }
    }

    /// True if the viewer's web of trust is asked for.
    pub(crate) const fn is_wot(&self) -> bool {
        self.viewer_id.is_some() && self.depth.is_some()
    }

    /// Whose tags count.
    pub(crate) fn scope(&self) -> Result<TaggerScope<'_>, ApiError> {
        let viewer = self.viewer_id.as_ref();
        Ok(match (viewer, self.depth()?) {
            (Some(viewer), Some(depth)) => TaggerScope::Wot { viewer, depth },
            _ => TaggerScope::All { viewer },
        })
    }

    /// Who looks, where no web of trust exists.
    pub(crate) fn without_depth(&self, text: &str) -> Result<Option<&PubkyId>, ApiError> {
        if self.depth.is_some() { Err(ApiError::invalid(text)) } else { Ok(self.viewer_id.as_ref()) }
    }
}

/// 1 to 3 steps.
pub(crate) fn steps_within(steps: u32) -> Result<Depth, ApiError> {
    let depth = u8::try_from(steps).ok().and_then(Depth::new);
    depth.ok_or_else(|| ApiError::invalid("`depth` must be between 1 and 3"))
}
