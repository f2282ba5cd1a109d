//! Everything that a client needs for its first screen, in one answer whose size is bounded.

use super::{
    Routes,
    error::Answer,
    extract::{At, Query},
    openapi::{Failures, Invalid},
    params::{Content, Count, UserPath},
    shown::{ShownBootstrap, attached},
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::{
    notification::Notification,
    query::{
        HotTagQuery, KindFilter, Order, Page, PostQuery, PostSource, ScoreRange, Sorting, TagWindow, Timeframe,
        UserQuery, UserSource,
    },
    read::Read,
    row::PostKey,
    view::{Bootstrap, BootstrapIds, PostView},
};
use serde::Deserialize;
use std::{collections::BTreeSet, sync::Arc};
use utoipa::{IntoParams, PartialSchema as _};
use utoipa_axum::routes;

/// Taggers of each hot tag.
const TAGGERS: usize = 5;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(bootstrap))
}

/// How much of each part. The defaults are what upstream gives.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Sizes {
    /// Newest posts (0–50, **default** 20)
    #[serde(default)]
    #[param(schema_with = Count::<20, 50>::schema)]
    posts: Count<20, 50>,
    /// Newest replies of each of them (0–10, **default** 3)
    #[serde(default)]
    #[param(schema_with = Count::<3, 10>::schema)]
    replies: Count<3, 10>,
    /// Users to follow (0–20, **default** 5)
    #[serde(default)]
    #[param(schema_with = Count::<5, 20>::schema)]
    recommended: Count<5, 20>,
    /// Hot tags of today (0–40, **default** 5)
    #[serde(default)]
    #[param(schema_with = Count::<5, 40>::schema)]
    hot_tags: Count<5, 40>,
    /// Newest notifications (0–100, **default** 30)
    #[serde(default)]
    #[param(schema_with = Count::<30, 100>::schema)]
    notifications: Count<30, 100>,
    /// `uri`: light views, without texts, for clients that read posts from their homeservers and verify them.
    #[serde(default)]
    #[param(inline)]
    content: Content,
}

/// Initial payload for all data required to bootstrap the pubky.app application
#[utoipa::path(
    get, path = "/v0/bootstrap/{user_id}", tag = "Bootstrap", operation_id = "bootstrap_handler",
    params(UserPath, Sizes),
    responses(
        (
            status = 200, description = "Initial payload to bootstrap the client; with `content=uri` a `BootstrapLight`",
            body = Bootstrap
        ),
        Invalid, Failures
    )
)]
async fn bootstrap(
    State(social): State<Arc<Shared>>,
    At(at): At<UserPath>,
    Query(sizes): Query<Sizes>,
) -> Answer<ShownBootstrap> {
    let now = social.clock.now();
    let first = social.ask(|index| Screen { index, sizes, now }.of(&at.user_id));
    let newest = Page { skip: 0, limit: sizes.notifications.0 };
    let notifications: Vec<Notification> = match first.indexed && newest.limit > 0 {
        true => social.notifications(at.user_id, ScoreRange::default(), None, newest).await??,
        false => Vec::new(),
    };
    Ok(Json(ShownBootstrap::new(Bootstrap { notifications, ..first }, sizes.content)))
}

/// What the first screen is put together from.
struct Screen<'a> {
    index: &'a dyn Read,
    sizes: Sizes,
    now: Timestamp,
}

impl Screen<'_> {
    /// The screen without notifications.
    fn of(&self, user: &PubkyId) -> Bootstrap {
        let indexed = self.index.user_counts(user).is_some();
        let viewer = indexed.then_some(user);
        let stream = self.newest(PostSource::All, self.sizes.posts.0);
        let posts = self.posts(&stream, viewer);
        let ids = self.ids(&stream, viewer);
        let users = self.named(viewer, &posts, &ids);
        let users = users.iter().filter_map(|id| self.index.user_view(id, viewer, None)).collect();
        let files = posts.iter().flat_map(|post| attached(self.index, post)).collect();
        Bootstrap { users, posts, files, ids, indexed, notifications: Vec::new() }
    }

    fn newest(&self, source: PostSource, limit: usize) -> Vec<PostKey> {
        if limit == 0 {
            return Vec::new();
        }
        let query = PostQuery {
            source,
            sorting: Sorting::Timeline,
            order: Order::Descending,
            tags: Vec::new(),
            kinds: KindFilter::Any,
            range: ScoreRange::default(),
            after: None,
            page: Page { skip: 0, limit },
            unless_muted_by: None,
        };
        self.index.posts(&query).into_iter().map(|entry| entry.post).collect()
    }

    /// The stream, then the newest replies of each post in it.
    fn posts(&self, stream: &[PostKey], viewer: Option<&PubkyId>) -> Vec<PostView> {
        let replies = stream.iter().flat_map(|post| self.newest(PostSource::PostReplies(*post), self.sizes.replies.0));
        let keys = stream.iter().copied().chain(replies);
        keys.filter_map(|key| self.index.post_view(&key, viewer, TagWindow::default())).collect()
    }

    fn users(&self, source: UserSource, limit: usize) -> Vec<PubkyId> {
        let page = Page { skip: 0, limit };
        let (now, seed) = (self.now, self.now.millis().unsigned_abs());
        let query = UserQuery { source, page, after: None, unless_muted_by: None, now, seed };
        let listed = if limit == 0 { Vec::new() } else { self.index.users(&query) };
        listed.into_iter().map(|entry| entry.user).collect()
    }

    fn ids(&self, stream: &[PostKey], viewer: Option<&PubkyId>) -> BootstrapIds {
        let today = Timeframe::Today;
        let influencers = UserSource::Influencers { around: None, timeframe: today, preview: true };
        let page = Page { skip: 0, limit: self.sizes.hot_tags.0 };
        let hot =
            HotTagQuery { around: None, timeframe: today, page, taggers: TAGGERS, newest: usize::MAX, now: self.now };
        let recommended = viewer.map(|user| self.users(UserSource::Recommended(*user), self.sizes.recommended.0));
        BootstrapIds {
            stream: stream.iter().map(ToString::to_string).collect(),
            influencers: self.users(influencers, 3),
            recommended: recommended.unwrap_or_default(),
            hot_tags: if page.limit == 0 { Vec::new() } else { self.index.hot_tags(&hot) },
        }
    }

    /// Everybody whom the rest of the screen names.
    fn named(&self, viewer: Option<&PubkyId>, posts: &[PostView], ids: &BootstrapIds) -> BTreeSet<PubkyId> {
        let authors = posts.iter().map(|post| post.details.author);
        let taggers = ids.hot_tags.iter().flat_map(|tag| tag.taggers_id.iter().copied());
        let listed = ids.influencers.iter().chain(&ids.recommended).copied();
        viewer.copied().into_iter().chain(authors).chain(listed).chain(taggers).collect()
    }
}
