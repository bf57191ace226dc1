//! What holds a person together, and what may.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::interaction::{Identity, Time};

/// Somebody's word that two members are one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub id: Uuid,
    /// The two members.
    pub contacts: [Uuid; 2],
    /// Who led one side before, and leads it again once they are separated.
    pub absorbed: Uuid,
    pub at: Time,
    #[serde(flatten)]
    pub why: Why,
}

/// Who says so, and on which grounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// `key:desk` for the API key of that name, `channel:support` for a channel.
    pub by: String,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// An address that somebody claimed to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    pub identity: Identity,
    pub at: Time,
    /// Where it was claimed.
    pub channel: String,
    /// The provider's id of the message that came with the claim.
    pub evidence: String,
}

/// Members that are still one person by these links, beginning with `start`.
pub(super) fn connected(start: Uuid, links: &[Link]) -> Vec<Uuid> {
    let mut found = vec![start];
    let mut next = 0;
    while let Some(member) = found.get(next).copied() {
        next += 1;
        for link in links {
            let [a, b] = link.contacts;
            let other = if a == member { b } else { a };
            if (a == member || b == member) && !found.contains(&other) {
                found.push(other);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(a: u128, b: u128) -> Link {
        let why = Why { by: "key:test".into(), reason: "test".into(), evidence: None };
        let contacts = [a, b].map(Uuid::from_u128);
        Link { id: Uuid::now_v7(), contacts, absorbed: contacts[1], at: Time::now(), why }
    }

    #[test]
    fn whoever_is_linked_is_connected() {
        let links = [link(1, 2), link(4, 5), link(3, 2)];
        let of = |start: u128| connected(Uuid::from_u128(start), &links).iter().map(Uuid::as_u128).collect::<Vec<_>>();
        assert_eq!(of(1), [1, 2, 3]);
        assert_eq!(of(5), [5, 4]);
        assert_eq!(of(6), [6]);
    }
}
