//! The OpenAPI documents, generated from the handlers, and where they are shown.

use super::{
    params::{
        GlobalPostId, Kinds, LabelText, Labels, PostId, PostSourceName, PubkyIdText, ResourceIdText, SearchText,
        Sorted, Timespan, UserIdPrefix, UserSourceName, UsernamePrefix, Which,
    },
    shown::{BootstrapLight, PostViewLight, ThreadLight},
};
use axum::Router;
use nexus_social::view::{PostViewDetailed, UserView};
use utoipa::{
    IntoResponses, OpenApi,
    openapi::{
        Info, License, OpenApi as Document,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_swagger_ui::SwaggerUi;

/// What every endpoint may answer besides its own.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that layers and errors give")]
pub(super) enum Failures {
    /// Rate limit exceeded
    #[response(status = 429)]
    Limited,
    /// Internal server error
    #[response(status = 500)]
    Internal,
}

/// A parameter is not what it must be.
#[derive(IntoResponses)]
#[response(status = 400, description = "Invalid parameters")]
pub(super) struct Invalid;

/// What is asked for isn't known.
#[derive(IntoResponses)]
#[response(status = 404, description = "Not found")]
pub(super) struct Missing;

/// Schemas that parameters refer to, and some that clients know although no operation names them.
#[derive(OpenApi)]
#[openapi(components(schemas(
    PubkyIdText,
    PostId,
    GlobalPostId,
    ResourceIdText,
    LabelText,
    Labels,
    Kinds,
    SearchText,
    UsernamePrefix,
    UserIdPrefix,
    PostSourceName,
    UserSourceName,
    Sorted,
    Which,
    Timespan,
    PostViewDetailed,
    PostViewLight,
    ThreadLight,
    BootstrapLight,
    UserView
)))]
struct Named;

/// The documents of `/v0` and `/static`.
pub struct Documents {
    /// Of `/v0`.
    pub v0: Document,
    /// Of `/static`.
    pub statics: Document,
}

impl Documents {
    pub(super) fn describe(mut v0: Document) -> Self {
        let mut statics = crate::statics::Docs::openapi();
        v0.merge(crate::live::Docs::openapi());
        v0.merge(Named::openapi());
        let token = SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).build());
        v0.components.get_or_insert_default().add_security_scheme("admin", token);
        v0.components.get_or_insert_default().schemas.extend(super::params::schemas());
        v0.info = info();
        statics.info = info();
        sort(&mut v0);
        sort(&mut statics);
        Self { v0, statics }
    }

    pub(super) fn into_router(self) -> Router {
        SwaggerUi::new("/swagger-ui")
            .url("/api-docs/v0/openapi.json", self.v0)
            .url("/api-docs/static/openapi.json", self.statics)
            .into()
    }
}

fn info() -> Info {
    let mut info = Info::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    info.description = Some("The social API of Nexus: users, posts, tags and streams of the Pubky network.".into());
    info.license = Some(License::new(env!("CARGO_PKG_LICENSE")));
    info
}

/// The same document whatever the order in which routes were merged.
fn sort(document: &mut Document) {
    let mut paths: Vec<_> = std::mem::take(&mut document.paths.paths).into_iter().collect();
    paths.sort_by(|(a, _), (b, _)| a.cmp(b));
    document.paths.paths = paths.into_iter().collect();
    let Some(components) = &mut document.components else { return };
    let mut schemas: Vec<_> = std::mem::take(&mut components.schemas).into_iter().collect();
    schemas.sort_by(|(a, _), (b, _)| a.cmp(b));
    components.schemas = schemas.into_iter().collect();
}
