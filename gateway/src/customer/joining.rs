//! Members become one person, and two again.

use serde_json::{Value, json};
use uuid::Uuid;

use super::draft::Draft;
use super::links::connected;
use super::{Conversation, Link, News, Session, Why};
use crate::config::{Conversations, Grouping};
use crate::interaction::{Identity, Kind, Time};
use crate::store::StoreError;

/// Why nobody can be separated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLink {
    #[error("this contact has no link {0}")]
    Link(Uuid),
    #[error("this contact does not have this identity")]
    Identity,
}

impl Session<'_> {
    /// Two persons become one, led by `first`'s leader, by a link between these two members. `None` if they are one already.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn link(&mut self, first: Uuid, second: Uuid, why: Why) -> Result<Option<Link>, StoreError> {
        let kept = self.draft(first).await?.leader();
        let absorbed = self.draft(second).await?.leader();
        if kept == absorbed {
            return Ok(None);
        }
        let (Some(mut draft), Some(other)) = (self.people.remove(&kept), self.people.remove(&absorbed)) else {
            return Err(StoreError::Corrupt("a draft vanished".into()));
        };
        let sides = [(first, draft.current().cloned()), (second, other.current().cloned())];
        let link = Link { id: Uuid::now_v7(), contacts: [first, second], absorbed, at: self.now, why };
        draft.absorb(*other, link.clone());
        self.tell(Kind::ContactLinked, &draft, sides, of_link(&link, kept));
        draft.end_surplus(self.now, &self.directory.rules, &mut self.news);
        self.put(draft);
        Ok(Some(link))
    }

    /// The address joins the person: its owner does, or a new member that has nothing else, so that this can be undone like
    /// any link. `None` if the person has it already.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn link_identity(
        &mut self,
        first: Uuid,
        identity: Identity,
        why: Why,
    ) -> Result<Option<Link>, StoreError> {
        let second = match self.find(&identity).await? {
            Some(owner) => owner,
            None => self.found(vec![identity]),
        };
        self.link(first, second, why).await
    }

    /// Takes a link back: every member is again with whom it was without it.
    ///
    /// # Errors
    /// If the store cannot be read; inside: if the person has no such link.
    pub async fn unlink(&mut self, member: Uuid, link: Uuid, why: Why) -> Result<Result<(), NoLink>, StoreError> {
        let draft = self.draft(member).await?;
        let found = draft.members[0].value().links.iter().find(|there| there.id == link).cloned();
        let Some(found) = found else { return Ok(Err(NoLink::Link(link))) };
        let leader = draft.leader();
        let Some(mut kept) = self.people.remove(&leader) else {
            return Err(StoreError::Corrupt("a draft vanished".into()));
        };
        let mut parted = kept.split(&found);
        let [first, second] = found.contacts;
        kept.keep_apart(first, second);
        parted.keep_apart(first, second);
        let mut detail = of_link(&found, leader);
        detail["link"] = json!(found.why);
        detail.as_object_mut().into_iter().for_each(|detail| detail.extend(words(&why)));
        self.tell_both(Kind::ContactUnlinked, [&kept, &parted], found.contacts, detail);
        self.put(kept);
        self.put(parted);
        Ok(Ok(()))
    }

    /// An address changed hands: from now on it is somebody else's, of whom nothing is known. What was said before stays
    /// with whom it was said.
    ///
    /// # Errors
    /// If the store cannot be read; inside: if the person does not have the address.
    pub async fn release(
        &mut self,
        member: Uuid,
        identity: &Identity,
        why: Why,
    ) -> Result<Result<Uuid, NoLink>, StoreError> {
        let Some(owner) = self.find(identity).await? else { return Ok(Err(NoLink::Identity)) };
        let draft = self.draft(member).await?;
        if draft.member(owner).is_none() {
            return Ok(Err(NoLink::Identity));
        }
        let fresh = self.found(vec![identity.clone()]);
        let Some(mut new) = self.people.remove(&fresh) else {
            return Err(StoreError::Corrupt("a draft vanished".into()));
        };
        new.moved = std::mem::take(&mut new.new_identities);
        new.regrouped = true;
        let draft = self.draft(member).await?;
        draft.lose(owner, identity);
        for side in [&mut *draft, &mut new] {
            side.keep_apart(owner, fresh);
        }
        let (leader, contact, conversation) = (draft.leader(), draft.contact(), draft.current().cloned());
        let mut detail = json!({ "contacts": [owner, fresh], "from": leader, "identity": identity });
        detail.as_object_mut().into_iter().for_each(|detail| detail.extend(words(&why)));
        let kind = Kind::ContactUnlinked;
        let fresh_contact = new.contact();
        self.news.push(News { kind, contact, owner, conversation, opened: false, detail: detail.clone() });
        self.news.push(News { kind, contact: fresh_contact, owner: fresh, conversation: None, opened: false, detail });
        self.put(new);
        Ok(Ok(fresh))
    }

    /// Both sides of a link hear of it, each in the conversation that it had.
    fn tell(&mut self, kind: Kind, person: &Draft, sides: [(Uuid, Option<Conversation>); 2], detail: Value) {
        let contact = person.contact();
        self.news.extend(sides.into_iter().map(|(owner, conversation)| News {
            kind,
            contact: contact.clone(),
            owner,
            conversation,
            opened: false,
            detail: detail.clone(),
        }));
    }

    fn tell_both(&mut self, kind: Kind, people: [&Draft; 2], members: [Uuid; 2], detail: Value) {
        for owner in members {
            let side = people.into_iter().find(|draft| draft.members.iter().any(|m| m.value().id == owner));
            let Some(side) = side else { continue };
            let (contact, conversation) = (side.contact(), side.current().cloned());
            self.news.push(News { kind, contact, owner, conversation, opened: false, detail: detail.clone() });
        }
    }
}

fn of_link(link: &Link, leader: Uuid) -> Value {
    let mut detail = json!({ "link_id": link.id, "contacts": link.contacts, "contact_id": leader });
    detail.as_object_mut().into_iter().for_each(|detail| detail.extend(words(&link.why)));
    detail
}

fn words(why: &Why) -> serde_json::Map<String, Value> {
    match json!(why) {
        Value::Object(words) => words,
        _ => serde_json::Map::new(),
    }
}

impl Draft {
    /// Takes another person in.
    fn absorb(&mut self, other: Self, link: Link) {
        let leader = self.leader();
        let [first, second] = link.contacts;
        let mut links = Vec::new();
        for mut member in other.members {
            let changed = member.change();
            changed.leader = Some(leader);
            changed.followers = Vec::new();
            links.append(&mut changed.links);
            self.members.push(member);
        }
        let followers = self.members[1..].iter().map(|member| member.value().id).collect();
        let leading = self.members[0].change();
        leading.followers = followers;
        leading.links.append(&mut links);
        leading.links.push(link);
        self.known.extend(other.known);
        self.threads.extend(other.threads);
        self.new_identities.extend(other.new_identities);
        self.moved.extend(other.moved);
        self.inbound = self.inbound.take().or(other.inbound);
        self.regrouped = true;
        self.forgive(first, second);
        self.settle_suggestions();
    }

    /// One person has one conversation that goes on: the others end, and their customers go on in that one.
    fn end_surplus(&mut self, now: Time, rules: &Conversations, news: &mut Vec<News>) {
        for channel in self.channels(rules.group_by) {
            let shared: Vec<Uuid> = self.members.iter().filter_map(|m| m.value().thread(channel.as_deref())).collect();
            let of_channel = |conversation: &&Conversation| shared.contains(&conversation.id);
            let goes_on = super::known::current(self.conversations().filter(of_channel)).map(|current| current.id);
            let surplus = |c: &&Conversation| c.closed_at.is_none() && shared.contains(&c.id) && Some(c.id) != goes_on;
            let surplus: Vec<Uuid> = self.conversations().filter(surplus).map(|conversation| conversation.id).collect();
            for id in surplus {
                let detail = json!({ "reason": "joined", "continued_by": goes_on });
                news.extend(self.close(id, now, detail));
            }
        }
    }

    /// What conversations are grouped by: each channel, or one for all.
    fn channels(&self, group_by: Grouping) -> Vec<Option<String>> {
        if group_by == Grouping::Contact {
            return vec![None];
        }
        let names = self.members.iter().flat_map(|member| member.value().threads.keys().cloned());
        let names: std::collections::BTreeSet<String> = names.collect();
        names.into_iter().map(Some).collect()
    }

    /// Gives away whoever is with this person by that link alone.
    fn split(&mut self, link: &Link) -> Self {
        let leader = self.leader();
        let mut links = std::mem::take(&mut self.members[0].change().links);
        links.retain(|there| there.id != link.id);
        let staying = connected(leader, &links);
        let (stay, mut leave): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.members).into_iter().partition(|member| staying.contains(&member.value().id));
        // Whoever led them leads them again; if that one has left them since, the oldest does.
        leave.sort_by_key(|member| (member.value().id != link.absorbed, member.value().id));
        let (their_links, our_links) = links.into_iter().partition(|there| !staying.contains(&there.contacts[0]));
        let opened_by_them = |talk: &super::draft::Talk| {
            leave.iter().any(|member| member.value().id == talk.conversation.value().contact)
        };
        let (theirs, ours): (Vec<_>, Vec<_>) = std::mem::take(&mut self.threads).into_iter().partition(opened_by_them);
        let mut parted = Self { members: leave, threads: theirs, ..Self::empty() };
        (self.members, self.threads) = (stay, ours);
        self.lead(our_links);
        parted.lead(their_links);
        parted
    }

    /// The first member leads the others, held by these links.
    fn lead(&mut self, links: Vec<Link>) {
        self.regrouped = true;
        let leader = self.leader();
        for member in &mut self.members[1..] {
            member.change().leader = Some(leader);
        }
        let followers = self.members[1..].iter().map(|member| member.value().id).collect();
        let leading = self.members[0].change();
        leading.leader = None;
        leading.followers = followers;
        leading.links = links;
    }

    fn lose(&mut self, member: Uuid, identity: &Identity) {
        self.regrouped = true;
        if let Some(member) = self.member(member) {
            let member = member.change();
            member.identities.retain(|known| !known.same_address(identity));
        }
    }

    /// A decision that these two members are not one person.
    fn keep_apart(&mut self, one: Uuid, other: Uuid) {
        for (id, from) in [(one, other), (other, one)] {
            if let Some(member) = self.member(id).filter(|member| !member.value().apart.contains(&from)) {
                member.change().apart.push(from);
            }
        }
    }

    /// The opposite decision.
    fn forgive(&mut self, one: Uuid, other: Uuid) {
        for (id, from) in [(one, other), (other, one)] {
            if let Some(member) = self.member(id).filter(|member| member.value().apart.contains(&from)) {
                member.change().apart.retain(|apart| *apart != from);
            }
        }
    }

    /// What was a claim is known now.
    fn settle_suggestions(&mut self) {
        let contact = self.contact();
        let is_known = |identity: &Identity| contact.has(identity);
        for member in &mut self.members {
            if member.value().suggestions.iter().any(|suggestion| is_known(&suggestion.identity)) {
                member.change().suggestions.retain(|suggestion| !is_known(&suggestion.identity));
            }
        }
    }
}
