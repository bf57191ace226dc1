//! Whose message it is.

use omnigate_plugin::Identity;

use crate::wire::{Contact, Text, text};

/// A person's addresses: the one to answer to, and the others.
#[derive(Debug, PartialEq)]
pub(crate) struct Person {
    pub main: Identity,
    pub others: Vec<Identity>,
}

/// From what may be a number or a user id, and a user id. The number goes first: it is the address that SMS and voice
/// share.
pub(crate) fn person(number_or_id: Option<&Text<'_>>, user_id: Option<&Text<'_>>, account: &str) -> Option<Person> {
    let first = text(number_or_id).map(|value| identity(value, account));
    let second = text(user_id).map(|value| scoped(value, account));
    let others = match &first {
        Some(first) => second.clone().filter(|second| second.value != first.value).into_iter().collect(),
        None => Vec::new(),
    };
    Some(Person { main: first.or(second)?, others })
}

/// A business number, as it is shown: perhaps with `+`, spaces and brackets.
pub(crate) fn business(shown: &str) -> Option<Identity> {
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    telephone(&digits)
}

/// A number where it is one, else a user id: those have come in the fields of numbers.
pub(crate) fn identity(value: &str, account: &str) -> Identity {
    telephone(value).unwrap_or_else(|| scoped(value, account))
}

/// The profile of that person, if the webhook brought it.
pub(crate) fn contact_of<'c, 'a>(contacts: &'c [Contact<'a>], person: &Person) -> Option<&'c Contact<'a>> {
    let is_person =
        |contact: &&Contact<'_>| [&contact.wa_id, &contact.user_id].into_iter().flatten().any(|id| person.is(id));
    contacts
        .iter()
        .find(is_person)
        .or_else(|| contacts.first().filter(|only| contacts.len() == 1 && only.is_anonymous()))
}

impl Person {
    /// With the name of the profile.
    pub(crate) fn named(mut self, contact: Option<&Contact<'_>>) -> Self {
        let profile = contact.and_then(|contact| contact.profile.as_ref());
        self.main = self
            .main
            .named(profile.and_then(|profile| text(profile.name.as_ref()).or(text(profile.username.as_ref()))));
        self
    }

    fn is(&self, id: &str) -> bool {
        let plain = |identity: &Identity| identity.value.strip_prefix('+').unwrap_or(&identity.value) == id;
        plain(&self.main) || self.others.iter().any(plain)
    }
}

impl Contact<'_> {
    /// Both ids may be missing; a single profile then still is the sender's.
    fn is_anonymous(&self) -> bool {
        text(self.wa_id.as_ref()).or(text(self.user_id.as_ref())).is_none()
    }
}

fn scoped(user_id: &str, account: &str) -> Identity {
    let identity = Identity::new("whatsapp", user_id);
    if account.is_empty() { identity } else { identity.scoped(account) }
}

/// E.164: 3 to 15 digits, none begins with 0.
fn telephone(value: &str) -> Option<Identity> {
    let digits = value.strip_prefix('+').unwrap_or(value);
    let plain = (3..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| Identity::new("tel", ["+", digits].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: &str, user_id: &str) -> Option<Person> {
        let [number, user_id] = [number, user_id].map(|value| Text(value.into()));
        person(Some(&number), Some(&user_id), "WABA")
    }

    #[test]
    fn number_goes_before_user_id() {
        let user = Identity::new("whatsapp", "BR.1").scoped("WABA");
        let tel = Identity::new("tel", "+5511999990000");
        assert_eq!(of("5511999990000", "BR.1"), Some(Person { main: tel.clone(), others: vec![user.clone()] }));
        assert_eq!(of("5511999990000", ""), Some(Person { main: tel, others: vec![] }));
        assert_eq!(of("", "BR.1"), Some(Person { main: user.clone(), others: vec![] }));
        assert_eq!(of("BR.1", "BR.1"), Some(Person { main: user, others: vec![] }));
        assert_eq!(of("", ""), None);
    }

    #[test]
    fn shown_numbers_lose_their_decoration() {
        assert_eq!(business("+1 (555) 010-0200"), Some(Identity::new("tel", "+15550100200")));
        assert_eq!(business(""), None);
    }

    #[test]
    fn profiles_are_found_by_either_id() {
        let contacts: Vec<Contact<'_>> = serde_json::from_str(
            r#"[{"wa_id":"551","profile":{"name":"A"}},{"user_id":"BR.1","profile":{"name":"","username":"bee"}}]"#,
        )
        .unwrap();
        let name = |person: Person| person.named(contact_of(&contacts, &of("BR.1", "").unwrap())).main.name;
        assert_eq!(name(of("BR.1", "").unwrap()).as_deref(), Some("bee"));
        assert!(contact_of(&contacts, &of("999", "").unwrap()).is_none());
    }
}
