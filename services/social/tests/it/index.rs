//! The index against the model: whatever happened, and whatever is asked.

use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::{
    dice::Dice,
    index::{Effort, Index, Published},
    query::{
        Depth, HotTagQuery, KindFilter, LabelledQuery, NamePlace, NameQuery, Order, Page, Position, PostQuery,
        PostSource, Reach, Relation, ResourceQuery, ResourceSorting, ScoreRange, Slice, Sorting, TagWindow, Timeframe,
        UserQuery, UserSource,
    },
    read::{Read, TaggerScope},
    row::{Edge, FileKey, Label, PostKey, PostKind, UserEdge},
    store::Stored,
    view::{Ranked, RankedUser, TagDetails, Taggers},
};
use nexus_social_suite::model::{History, Model};
use proptest::prelude::*;
use std::fmt::Debug;

const DAY: i64 = 86_400_000;
const DEPTHS: [Depth; 3] = [Depth::ONE, Depth::TWO, Depth::THREE];
const FRAMES: [Timeframe; 4] = [Timeframe::Today, Timeframe::ThisWeek, Timeframe::ThisMonth, Timeframe::AllTime];

/// Random questions about a history, put to two who should know.
struct Quiz<'a> {
    dice: Dice,
    history: &'a History,
    model: &'a dyn Read,
    index: &'a dyn Read,
    posts: Vec<PostKey>,
    labels: Vec<Label>,
    now: Timestamp,
}

impl<'a> Quiz<'a> {
    fn new(seed: u64, history: &'a History, model: &'a dyn Read, index: &'a dyn Read) -> Self {
        let mut dice = Dice::new(seed);
        // Questions come at the time of the last event, a little or much later, or a little earlier.
        let late = [0, 1, DAY / 2, 2 * DAY, 20 * DAY, -DAY, -9 * DAY][dice.below(7)];
        let now = history.now().plus_millis(late);
        Self { dice, history, model, index, posts: history.posts(), labels: history.labels(), now }
    }

    #[track_caller]
    fn ask<T: Debug + PartialEq>(&self, what: impl Debug, question: impl Fn(&dyn Read) -> T) -> T {
        let (expected, answer) = (question(self.model), question(self.index));
        assert_eq!(expected, answer, "model and index differ about {what:?}");
        answer
    }

    fn user(&mut self) -> PubkyId {
        *self.dice.pick(self.history.users()).unwrap()
    }

    fn post(&mut self) -> PostKey {
        let nobody = PostKey { author: self.history.users()[0], id: "0034A0X7NJ52A".parse().unwrap() };
        if self.dice.percent(5) { nobody } else { self.dice.pick(&self.posts).copied().unwrap_or(nobody) }
    }

    fn label(&mut self) -> Label {
        let unknown = Label::from_valid("unknown");
        if self.dice.percent(5) { unknown } else { self.dice.pick(&self.labels).cloned().unwrap_or(unknown) }
    }

    fn some_labels(&mut self, most: usize) -> Vec<Label> {
        (0..self.dice.below(most + 1)).map(|_| self.label()).collect()
    }

    fn page(&mut self) -> Page {
        let skip = if self.dice.percent(60) { 0 } else { self.dice.below(5) };
        Page { skip, limit: [1, 3, 10, 100][self.dice.below(4)] }
    }

    fn reach(&mut self) -> Reach {
        match self.dice.below(6) {
            0 => Reach::Relation(Relation::Followers),
            1 => Reach::Relation(Relation::Following),
            2 => Reach::Relation(Relation::Friends),
            depth => Reach::Wot(DEPTHS[depth - 3]),
        }
    }

    fn around(&mut self) -> Option<(PubkyId, Reach)> {
        self.dice.percent(60).then(|| (self.user(), self.reach()))
    }

    fn frame(&mut self) -> Timeframe {
        FRAMES[self.dice.below(4)]
    }

    fn order(&mut self) -> Order {
        if self.dice.percent(60) { Order::Descending } else { Order::Ascending }
    }

    fn sorting(&mut self) -> Sorting {
        if self.dice.percent(50) { Sorting::Timeline } else { Sorting::TotalEngagement }
    }

    /// Mostly everything, else a range around a score that there is.
    fn range(&mut self, scores: &[i64]) -> ScoreRange {
        let end = |quiz: &mut Self| {
            if quiz.dice.percent(60) {
                None
            } else {
                quiz.dice.pick(scores).map(|score| score + quiz.dice.below(3) as i64 - 1)
            }
        };
        let (start, end) = (end(self), end(self));
        ScoreRange::between(start, end)
    }

    fn kinds(&mut self) -> KindFilter {
        let kinds = [PostKind::Short, PostKind::Long, PostKind::Image, PostKind::Collection, PostKind::Unknown];
        match self.dice.below(8) {
            0 | 1 => KindFilter::Only(self.dice.pick(&kinds).unwrap().clone()),
            2 | 3 => {
                KindFilter::Except((0..=self.dice.below(3)).map(|_| self.dice.pick(&kinds).unwrap().clone()).collect())
            }
            _ => KindFilter::Any,
        }
    }

    fn source(&mut self) -> PostSource {
        match self.dice.below(11) {
            0 | 1 => PostSource::All,
            2..5 => PostSource::Reach { observer: self.user(), reach: self.reach() },
            5 => {
                let depth = [None, Some(Depth::ONE), Some(Depth::TWO), Some(Depth::THREE)][self.dice.below(4)];
                PostSource::WotDomain { observer: self.user(), depth, labels: self.some_labels(3) }
            }
            6 => PostSource::Bookmarks(self.user()),
            7 => PostSource::Author(self.user()),
            8 => PostSource::AuthorReplies(self.user()),
            9 => PostSource::PostReplies(self.post()),
            _ => PostSource::Collection(self.post()),
        }
    }

    /// A stream, once with a range and page of its own, and once entry by entry: the pages that follow one
    /// another by position make up the whole, without repeating or leaving out.
    fn posts(&mut self) {
        let mut query = PostQuery {
            source: self.source(),
            sorting: self.sorting(),
            order: self.order(),
            tags: if self.dice.percent(40) { self.some_labels(3) } else { Vec::new() },
            kinds: self.kinds(),
            range: ScoreRange::default(),
            after: None,
            page: Page { skip: 0, limit: 1000 },
            unless_muted_by: self.dice.percent(20).then(|| self.user()),
        };
        let all = self.ask(&query, |read| read.posts(&query));
        let limit = self.dice.below(3) + 1;
        query.page = Page { skip: 0, limit };
        let mut followed = Vec::new();
        while followed.len() < 12 {
            let page = self.ask(&query, |read| read.posts(&query));
            let Some(last) = page.last() else { break };
            query.after = Some(Position { score: last.score, member: last.post.to_string().into() });
            followed.extend(page);
        }
        assert_eq!(followed, all[..followed.len()], "paging by position through {query:?}");
        assert!(followed.len() >= all.len().min(12), "paging by position through {query:?}");
        let scores: Vec<_> = all.iter().map(|entry| entry.score).collect();
        query.range = self.range(&scores);
        (query.after, query.page) = (None, self.page());
        self.ask(&query, |read| read.posts(&query));
    }

    fn users(&mut self) {
        let source = match self.dice.below(8) {
            0 => UserSource::Relation(
                self.user(),
                [Relation::Followers, Relation::Following, Relation::Friends][self.dice.below(3)],
            ),
            1 => UserSource::MostFollowed,
            2..5 => UserSource::Influencers {
                around: self.around(),
                timeframe: self.frame(),
                preview: self.dice.percent(30),
            },
            5 => UserSource::Recommended(self.user()),
            6 => UserSource::PostReplies(self.post()),
            _ => UserSource::StarterPack {
                labels: self.some_labels(3),
                newcomer: self.dice.percent(50).then(|| self.user()),
                timeframe: self.frame(),
            },
        };
        let unless_muted_by = self.dice.percent(30).then(|| self.user());
        let (page, now, seed) = (Page { skip: 0, limit: 1000 }, self.now, self.dice.roll());
        let mut query = UserQuery { source, page, after: None, unless_muted_by, now, seed };
        let all = self.ask(&query, |read| read.users(&query));
        assert!(all.iter().all(|entry| !unless_muted_by.is_some_and(|viewer| self.mutes(&viewer, &entry.user))));
        if query.source.is_paged() {
            self.follow(&mut query, &all);
        }
        (query.after, query.page) = (None, self.page());
        self.ask(&query, |read| read.users(&query));
    }

    fn mutes(&self, viewer: &PubkyId, user: &PubkyId) -> bool {
        let mutes = |edge: &UserEdge| edge.from == *viewer && edge.to == *user;
        self.history.model().rows().iter().any(|row| matches!(row, Stored::Edge(Edge::Mutes(edge)) if mutes(edge)))
    }

    /// A part of a list by position, all of it, and the pages that make it up, without repeating or leaving out.
    fn sliced<T: Debug + PartialEq>(
        &mut self,
        what: impl Debug,
        place: impl Fn(&T) -> Position,
        list: impl Fn(&dyn Read, Slice<'_>) -> Option<Vec<T>>,
    ) {
        let ask =
            |quiz: &Self, slice: Slice<'_>| quiz.ask((&what, slice), |read| list(read, slice)).unwrap_or_default();
        let (page, all) = (self.page(), ask(self, Slice::first(1000)));
        ask(self, Slice { after: None, page });
        let mut gone = self.dice.pick(&all).map(&place).unwrap_or(Position { score: 1, member: "m".into() });
        gone.score += self.dice.below(3) as i64 - 1;
        ask(self, Slice { after: Some(&gone), page });
        let (limit, mut after, mut followed) = (self.dice.below(3) + 1, None, Vec::new());
        loop {
            let page = ask(self, Slice { after: after.as_ref(), page: Page { skip: 0, limit } });
            let Some(last) = page.last() else { break };
            after = Some(place(last));
            followed.extend(page);
        }
        assert_eq!(followed, all, "paging through {what:?}");
    }

    /// Labels on something, with some taggers of each.
    fn labels_on(&mut self, what: impl Debug, list: impl Fn(&dyn Read, TagWindow<'_>) -> Option<Vec<TagDetails>>) {
        let taggers = self.dice.below(4);
        let place = |tag: &TagDetails| Position { score: tag.taggers_count as i64, member: tag.label.as_str().into() };
        self.sliced((what, taggers), place, |read, labels| list(read, TagWindow { labels, taggers }));
    }

    /// Who put a label on something.
    fn taggers(&mut self, what: impl Debug, list: impl Fn(&dyn Read, Slice<'_>) -> Taggers) {
        self.ask(&what, |read| list(read, Slice::first(0)).relationship);
        let place = |entry: &RankedUser| Position { score: entry.score, member: entry.user.as_str().into() };
        self.sliced(what, place, |read, slice| Some(list(read, slice).users));
    }

    /// Pages that follow one another by position make up the whole, without repeating or leaving out.
    fn follow(&mut self, query: &mut UserQuery, all: &[RankedUser]) {
        query.page.limit = self.dice.below(3) + 1;
        let mut followed = Vec::new();
        loop {
            let page = self.ask(&query, |read| read.users(query));
            let Some(last) = page.last() else { break };
            query.after = Some(Position { score: last.score, member: last.user.as_str().into() });
            followed.extend(page);
        }
        assert_eq!(followed, all, "paging by position through {query:?}");
    }

    fn hot(&mut self) {
        let query = HotTagQuery {
            around: self.around(),
            timeframe: self.frame(),
            page: self.page(),
            taggers: self.dice.below(4),
            newest: if self.dice.below(2) == 0 { usize::MAX } else { self.dice.below(40) },
            now: self.now,
        };
        self.ask((&query, self.history.now()), |read| read.hot_tags(&query));
        let (label, around, page, frame) = (self.label(), self.around(), self.page(), self.frame());
        let around = around.as_ref().map(|(user, reach)| (user, *reach));
        let ask = |read: &dyn Read| read.label_taggers(label.as_str(), around, frame, self.now, page);
        self.ask((&label, around, frame), ask);
    }

    fn a_user(&mut self) {
        let (user, viewer, label) = (self.user(), self.user(), self.label());
        let depth = self.dice.percent(50).then(|| DEPTHS[self.dice.below(3)]);
        let seen = self.dice.percent(80).then_some(&viewer);
        let scope =
            depth.map_or(TaggerScope::All { viewer: seen }, |depth| TaggerScope::Wot { viewer: &viewer, depth });
        self.ask(user, |read| read.user(&user));
        self.ask(user, |read| read.user_counts(&user));
        self.ask((user, seen, depth), |read| read.user_view(&user, seen, depth));
        self.ask((user, viewer), |read| read.relationship(&user, &viewer));
        self.labels_on((user, scope), |read, window| read.user_tags(&user, window, scope));
        let taggers = |read: &dyn Read, slice: Slice<'_>| read.user_taggers(&user, label.as_str(), slice, scope);
        self.taggers((user, scope, &label), taggers);
        self.path(user, viewer);
    }

    /// Any shortest chain will do.
    fn path(&mut self, from: PubkyId, to: PubkyId) {
        let max = self.dice.below(4) as u8;
        let length = |read: &dyn Read| read.path(&from, &to, max).map(|chain| chain.len());
        self.ask((from, to, max), length);
        if let Some(chain) = self.index.path(&from, &to, max) {
            assert_eq!((chain.first(), chain.last()), (Some(&from), Some(&to)));
            let follows = |pair: &[PubkyId]| self.model.relationship(&pair[1], &pair[0]).unwrap().following;
            assert!(chain.windows(2).all(follows), "{chain:?} is not a chain of follows");
        }
    }

    fn a_post(&mut self) {
        let (post, viewer, label) = (self.post(), self.user(), self.label());
        let window = TagWindow { labels: Slice { after: None, page: self.page() }, taggers: self.dice.below(4) };
        let scope = match self.dice.below(3) {
            0 => TaggerScope::Wot { viewer: &viewer, depth: DEPTHS[self.dice.below(3)] },
            _ => TaggerScope::All { viewer: Some(&viewer) },
        };
        self.ask(post, |read| read.post(&post));
        self.ask(post, |read| read.post_counts(&post));
        self.ask((post, viewer, window), |read| read.post_view(&post, Some(&viewer), window));
        self.ask((post, viewer), |read| read.bookmark(&post, &viewer));
        self.labels_on((post, scope), |read, window| read.post_tags(&post, window, scope));
        let taggers = |read: &dyn Read, slice: Slice<'_>| read.post_taggers(&post, label.as_str(), slice, scope);
        self.taggers((post, scope, &label), taggers);
        let place = |repost: &Ranked| Position { score: repost.score, member: repost.post.to_string().into() };
        self.sliced(("reposts", post), place, |read, slice| read.reposts(&post, slice));
        let (ancestors, replies, depth) = (self.dice.below(4), self.dice.below(6), self.dice.below(4) as u8);
        let thread = |read: &dyn Read| read.thread(&post, None, ancestors, replies, depth);
        self.ask((post, ancestors, replies, depth), thread);
    }

    fn resources(&mut self) {
        let apps = self.history.apps();
        let mut query = ResourceQuery {
            app: if self.dice.percent(40) { self.dice.pick(&apps).cloned() } else { None },
            tags: self.some_labels(3),
            sorting: if self.dice.percent(50) { ResourceSorting::Timeline } else { ResourceSorting::TaggersCount },
            order: self.order(),
            range: ScoreRange::default(),
            after: None,
            page: Page { skip: 0, limit: 100 },
        };
        let all = self.ask(&query, |read| read.resources(&query));
        if let Some((id, score)) = self.dice.pick(&all) {
            query.after = Some(Position { score: *score, member: id.as_str().into() });
            self.ask(&query, |read| read.resources(&query));
        }
        let scores: Vec<_> = all.iter().map(|(_, score)| *score).collect();
        (query.after, query.range, query.page) = (None, self.range(&scores), self.page());
        self.ask(&query, |read| read.resources(&query));
        let ids = self.history.resources();
        let (id, viewer, label) = (*self.dice.pick(&ids).unwrap(), self.user(), self.label());
        self.ask(id, |read| read.resource(&id));
        self.ask(id, |read| read.resource_view(&id, Some(&viewer)));
        self.labels_on(id, |read, window| read.resource_tags(&id, window, Some(&viewer)));
        let taggers =
            |read: &dyn Read, slice: Slice<'_>| read.resource_taggers(&id, label.as_str(), slice, Some(&viewer));
        self.taggers((id, &label), taggers);
    }

    fn searches(&mut self) {
        let (page, labels, label) = (self.page(), self.some_labels(3), self.label());
        let prefix = ["", "a", "A", "ad", "ä", "bo", "i", "zz"][self.dice.below(8)];
        self.names(prefix, page);
        let key = self.user();
        let start = &key.as_str()[..self.dice.below(4)];
        let after = self.dice.percent(50).then(|| self.user());
        self.ask((start, after), |read| read.users_by_id(start, after.as_ref(), page));
        let all = self.ask(&labels, |read| read.users_by_tags(&labels, None, Page { skip: 0, limit: 1000 }));
        let after = self.dice.pick(&all);
        self.ask((&labels, after), |read| read.users_by_tags(&labels, after, page));
        let prefix = ["", "m", "map", "mapp", "str", "z"][self.dice.below(6)];
        self.ask(prefix, |read| read.labels(prefix, page));
        self.labelled(label);
        let files: Vec<FileKey> = self.history.files();
        files.iter().for_each(|file| drop(self.ask(file, |read| read.file(file))));
    }

    fn names(&mut self, prefix: &str, page: Page) {
        let unless_muted_by = self.dice.percent(50).then(|| self.user());
        let everything = Page { skip: 0, limit: 1000 };
        let mut query = NameQuery { prefix: prefix.to_owned(), after: None, page: everything, unless_muted_by };
        let all = self.ask(&query, |read| read.users_by_name(&query));
        if let Some((place, user)) = self.dice.pick(&all.iter().enumerate().collect::<Vec<_>>()) {
            let name = self.ask(user, |read| read.user(user)).unwrap().name.to_lowercase();
            query.after = Some(NamePlace { name, user: **user });
            assert_eq!(self.ask(&query, |read| read.users_by_name(&query)), all[place + 1..]);
        }
        query.after = query.after.map(|after| NamePlace { name: "b".into(), ..after });
        query.page = page;
        self.ask(&query, |read| read.users_by_name(&query));
    }

    fn labelled(&mut self, label: Label) {
        let mut query = LabelledQuery {
            label,
            sorting: self.sorting(),
            range: ScoreRange::default(),
            after: None,
            page: Page { skip: 0, limit: 1000 },
            unless_muted_by: self.dice.percent(30).then(|| self.user()),
        };
        let all = self.ask(&query, |read| read.posts_by_tag(&query));
        let scores: Vec<_> = all.iter().map(|entry| entry.score).collect();
        if let Some((place, last)) = self.dice.pick(&all.iter().enumerate().collect::<Vec<_>>()) {
            query.after = Some(Position { score: last.score, member: last.post.to_string().into() });
            assert_eq!(self.ask(&query, |read| read.posts_by_tag(&query)), all[place + 1..]);
        }
        (query.after, query.range, query.page) = (None, self.range(&scores), self.page());
        self.ask(&query, |read| read.posts_by_tag(&query));
    }

    fn run(mut self, rounds: usize) {
        for _ in 0..rounds {
            self.posts();
            self.posts();
            self.users();
            self.hot();
            self.a_user();
            self.a_post();
            self.resources();
            self.searches();
        }
    }
}

/// From giving up at once to never.
fn effort(seed: u64) -> Effort {
    let mut dice = Dice::new(seed);
    let some = |dice: &mut Dice| [0, 1, 3, 10, 1000][dice.below(5)];
    Effort {
        find_users: some(&mut dice),
        trial: some(&mut dice),
        patience: some(&mut dice),
        persistence: dice.below(2),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Applied live, event by event, the index answers as the model does, in the middle and at the end.
    #[test]
    fn live_index_is_the_model(seed: u64, users in 2usize..9, events in 1usize..220) {
        let mut history = History::new(seed, users);
        let mut index = Index::default().with_effort(effort(seed));
        for at in 0..events {
            let effects = history.next().unwrap();
            index.apply(&effects);
            if at == events / 2 {
                Quiz::new(seed ^ 1, &history, history.model(), &index).run(4);
            }
        }
        Quiz::new(seed ^ 2, &history, history.model(), &index).run(12);
    }

    /// Built from rows it is the same as live, and goes on living the same way.
    #[test]
    fn rebuilt_index_is_the_model(seed: u64, users in 2usize..9, events in 1usize..220, more in 0usize..40) {
        let mut history = History::new(seed, users);
        history.by_ref().take(events).for_each(drop);
        let mut rows = history.model().rows();
        if seed % 2 == 0 {
            Dice::new(seed).shuffle(&mut rows);
        }
        let mut index = Index::of_rows(rows).with_effort(effort(seed));
        Quiz::new(seed ^ 1, &history, history.model(), &index).run(6);
        history.by_ref().take(more).for_each(|effects| index.apply(&effects));
        Quiz::new(seed ^ 2, &history, history.model(), &index).run(6);
    }

    /// Whatever came and went, the index knows of no more than one that is built of what is left.
    #[test]
    fn what_nothing_speaks_of_is_forgotten(seed: u64, users in 2usize..9, events in 1usize..400) {
        let mut history = History::new(seed, users);
        let mut index = Index::default();
        for effects in history.by_ref().take(events) {
            index.apply(&effects);
        }
        let rebuilt = Index::of_rows(history.model().rows());
        prop_assert_eq!(index.in_use(), rebuilt.in_use());
    }

    /// Applying effects twice changes nothing more.
    #[test]
    fn effects_are_idempotent(seed: u64, events in 1usize..160) {
        let mut history = History::new(seed, 6);
        let published = Published::default();
        for effects in history.by_ref().take(events) {
            published.publish(&[effects.clone(), effects]);
        }
        Quiz::new(seed, &history, history.model(), &*published.read()).run(8);
    }

    /// The model itself: loading its rows gives it back.
    #[test]
    fn model_is_its_rows(seed: u64, events in 1usize..120) {
        let mut history = History::new(seed, 5);
        history.by_ref().take(events).for_each(drop);
        prop_assert_eq!(&Model::load(history.model().rows()), history.model());
    }
}
