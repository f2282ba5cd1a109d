//! Tags on posts, users and resources (spec c.7 and b.4).

use super::{Context, Draft, Outcome};
use crate::{
    effects::RowChange,
    input::Event,
    notification::NotificationBody,
    record::Aim,
    row::{Edge, Label, PostKind, ResourceRow, Tag, Target, user_uri},
    rules::Reason,
    store::Result,
};
use nexus_model::Action;
use nexus_pubky::{HashId, Path, PubkyId, ResourceId, ResourceUri};
use pubky_app_specs::PubkyAppTag;

impl Context<'_> {
    pub(super) fn put_tag(self, event: &Event, app: Option<&str>, id: HashId, record: &PubkyAppTag) -> Result<Outcome> {
        let tagger = event.address.user;
        if self.policy.moderation.covers(&tagger, record) {
            return self.moderate(event, &record.uri);
        }
        let Some(aim) = Aim::of(app, &record.uri) else { return Ok(Outcome::Refused(Reason::NotTaggable)) };
        if let Some(waits) = self.unless_known(&tagger)? {
            return Ok(waits);
        }
        let (target, label) = (aim.target, Label::from_valid(&record.label));
        if let Some(missing) = self.unless_indexed(&target)? {
            return Ok(missing);
        }
        let app = app.filter(|_| aim.resource.is_some());
        let old = self.state.tag_on(&tagger, &target, &label, app)?;
        if old.as_ref().is_some_and(|old| old.created_at == record.created_at || old.id != id) {
            return Ok(Outcome::Unchanged);
        }
        let time = old.as_ref().map_or(self.now, |old| old.time);
        let tag = Tag { tagger, app: app.map(Into::into), id, target, label, time, created_at: record.created_at };
        let mut draft = Draft::of(self, event);
        let action = if old.is_some() { Action::Update } else { Action::Create };
        draft.change(&tagger, &event.address.path, action, None);
        if let Some(uri) = &aim.resource {
            self.keep_resource(&mut draft, uri)?;
        }
        if old.is_none() {
            self.notify_of_tag(&mut draft, &tag, Action::Create)?;
        }
        draft.row(RowChange::PutEdge(Edge::Tagged(tag)));
        Ok(draft.finish())
    }

    fn unless_indexed(self, target: &Target) -> Result<Option<Outcome>> {
        match target {
            Target::User(id) if self.state.user(id)?.is_none() => self.missing(user_uri(id), id).map(Some),
            Target::Post(key) if self.state.post(key)?.is_none() => self.missing(key.uri(), &key.author).map(Some),
            _ => Ok(None),
        }
    }

    fn keep_resource(self, draft: &mut Draft, uri: &ResourceUri) -> Result<()> {
        let id = uri.id();
        if self.state.resource(&id)?.is_none() {
            let uri = uri.as_str().to_owned();
            draft.row(RowChange::PutResource(ResourceRow { id, uri, indexed_at: self.now }));
        }
        Ok(())
    }

    /// Tells the author or the user that a tag came or went; nobody hears of tags on resources.
    fn notify_of_tag(self, draft: &mut Draft, tag: &Tag, action: Action) -> Result<()> {
        let (by, tag_label, is_gone) = (tag.tagger, tag.label.to_string(), action == Action::Delete);
        match tag.target {
            Target::User(user) => draft.notify(
                &by,
                &user,
                if is_gone {
                    NotificationBody::UntagProfile { untagged_by: by, tag_label }
                } else {
                    NotificationBody::TagProfile { tagged_by: by, tag_label }
                },
            ),
            Target::Post(key) => {
                let post_kind = self.state.post(&key)?.map_or(PostKind::Unknown, |post| post.kind);
                let post_uri = key.uri();
                draft.notify(
                    &by,
                    &key.author,
                    if is_gone {
                        NotificationBody::UntagPost { untagged_by: by, tag_label, post_uri, post_kind }
                    } else {
                        NotificationBody::TagPost { tagged_by: by, tag_label, post_uri, post_kind }
                    },
                );
            }
            Target::Resource(_) => {}
        }
        Ok(())
    }

    /// Deletes a tag record. One that another app's folder holds on a post or a user is kept without the app.
    pub(super) fn delete_tag(
        self,
        mut draft: Draft,
        tagger: &PubkyId,
        app: Option<&str>,
        id: &HashId,
    ) -> Result<Outcome> {
        let found = match self.state.tag(tagger, app, id)? {
            None if app.is_some() => self.state.tag(tagger, None, id)?,
            found => found,
        };
        let Some(tag) = found else { return Ok(Outcome::Unchanged) };
        let path = Path::Tag { app: app.map(Into::into), id: *id };
        draft.change(tagger, &path, Action::Delete, None);
        self.notify_of_tag(&mut draft, &tag, Action::Delete)?;
        draft.row(RowChange::RemoveEdge(Edge::Tagged(tag.clone())));
        if let Target::Resource(resource) = &tag.target {
            self.lose_tag(&mut draft, resource, &tag)?;
        }
        Ok(draft.finish())
    }

    /// A resource is as old as its oldest tag, and goes with its last.
    fn lose_tag(self, draft: &mut Draft, id: &ResourceId, tag: &Tag) -> Result<()> {
        let Some(row) = self.state.resource(id)? else { return Ok(()) };
        if row.indexed_at < tag.time {
            return Ok(());
        }
        match self.state.other_tag(tag)? {
            None => draft.row(RowChange::RemoveResource(*id)),
            Some(rest) if rest.time != row.indexed_at => {
                draft.row(RowChange::PutResource(ResourceRow { indexed_at: rest.time, ..row }));
            }
            Some(_) => {}
        }
        Ok(())
    }
}
