//! The REST API: one file for each group of endpoints, every handler one question to what is [`Shared`].
//! Nothing is computed or stored here, and no text is parsed outside `params`.

mod admin;
mod bootstrap;
mod cursor;
pub(crate) mod error;
mod events;
pub(crate) mod extract;
mod files;
mod info;
mod jobs;
mod openapi;
pub(crate) mod params;
mod post;
mod post_tags;
mod resources;
mod search;
mod shown;
mod stream_posts;
mod stream_resources;
mod stream_users;
mod tags;
mod thread;
mod user;
mod user_tags;

use crate::shared::Shared;
use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use nexus_http::{AdminToken, Class, Layers, Paths, RateLimiter, conditional, guard_admin, rate_limit};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

pub use openapi::Documents;

/// The paths that the social service owns on a shared port.
pub const PATHS: &[Paths] = &[
    Paths::Below("/v0"),
    Paths::Below("/static"),
    Paths::Below("/swagger-ui"),
    Paths::Below("/api-docs"),
    Paths::Below("/admin/social"),
];

/// What handlers are written against.
type Routes = OpenApiRouter<Arc<Shared>>;

/// Whether the API shows its documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swagger {
    /// At `/swagger-ui` and `/api-docs`.
    Shown,
    /// Nowhere.
    Hidden,
}

/// Everything that the API is made of.
pub struct Assembly {
    /// What handlers share.
    pub shared: Arc<Shared>,
    /// Sizes and times.
    pub layers: Layers,
    /// How many requests clients may send.
    pub limiter: Arc<RateLimiter>,
    /// Who may use `/admin/social`.
    pub admin: AdminToken,
    /// The routes of `/v0/live`.
    pub live: Router,
    /// The routes of `/static`.
    pub statics: Router,
    /// Whether it is documented.
    pub swagger: Swagger,
}

/// Routes that cost little.
fn cheap() -> Routes {
    Routes::new()
        .merge(info::routes())
        .merge(events::routes())
        .merge(user::routes())
        .merge(user_tags::routes())
        .merge(post::routes())
        .merge(post_tags::routes())
        .merge(thread::routes())
        .merge(tags::routes())
        .merge(files::routes())
        .merge(resources::routes())
        .merge(search::routes())
        .merge(stream_posts::routes())
        .merge(stream_resources::routes())
        .merge(stream_users::routes())
}

/// Routes that spec d.0 calls expensive, and a walk over the graph of ours.
fn expensive() -> Routes {
    Routes::new()
        .merge(bootstrap::routes())
        .merge(user::expensive_routes())
        .merge(tags::expensive_routes())
        .merge(files::expensive_routes())
        .merge(search::expensive_routes())
        .merge(stream_posts::expensive_routes())
        .merge(stream_users::expensive_routes())
}

/// Routes of the operator.
fn administration() -> Routes {
    Routes::new().merge(admin::routes()).merge(jobs::routes())
}

/// The whole API, ready to be mounted at [`PATHS`].
pub fn router(parts: Assembly) -> Router {
    stream_posts::meter::begin();
    let Assembly { shared, layers, limiter, admin, live, statics, swagger } = parts;
    let limited = |class| from_fn_with_state((limiter.clone(), class), rate_limit);
    // A layer costs every request something: where nobody is limited there is none.
    let (answers, live, statics) = match limiter.limits_anybody() {
        false => (cheap().merge(expensive()), live, statics),
        true => (
            cheap().route_layer(limited(Class::Default)).merge(expensive().route_layer(limited(Class::Expensive))),
            live.route_layer(limited(Class::Default)),
            statics.route_layer(limited(Class::Expensive)),
        ),
    };
    let answers = answers.layer(from_fn(conditional)).with_state(shared.clone());
    let administration = administration().layer(from_fn_with_state(admin, guard_admin)).with_state(shared);
    let (v0, document) = answers.merge(administration).split_for_parts();
    let mut router = v0.merge(live).merge(statics);
    if swagger == Swagger::Shown {
        router = router.merge(Documents::describe(document).into_router());
    }
    Layers { panicked: error::panicked, ..layers }.apply(router)
}

/// The documents, without a server: for tests and for the copy in `docs`.
pub fn documents() -> Documents {
    Documents::describe(cheap().merge(expensive()).merge(administration()).into_openapi())
}
