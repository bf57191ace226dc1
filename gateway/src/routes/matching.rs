use super::Facts;
use crate::config::{Match, NamePattern, Route, Tag, Words, scalar};
use crate::interaction::Time;

/// The first condition of a route that does not hold, in words; `None` if all do. `salt` tells routes apart whose shares are
/// of the same conversations.
pub(super) fn unmet(route: &Route, salt: &str, facts: &Facts) -> Option<String> {
    let Match { channel, medium, language, tag, attribute, text, hours, share } = &route.matches;
    let checks = [
        unmet_channel(channel, facts),
        unmet_medium(medium, facts),
        unmet_language(language, facts),
        tag.iter().find_map(|tag| unmet_tag(tag, facts)),
        attribute.iter().find_map(|(name, values)| unmet_attribute(name, values, facts)),
        text.as_ref().and_then(|words| unmet_text(words, facts)),
        hours.as_ref().and_then(|hours| unmet_hours(hours, facts)),
        share.and_then(|share| unmet_share(share, salt, facts)),
    ];
    checks.into_iter().flatten().next()
}

fn unmet_channel(wanted: &[NamePattern], facts: &Facts) -> Option<String> {
    let name = facts.channel.as_ref().map(|channel| channel.name.as_str()).unwrap_or_default();
    let met = wanted.is_empty() || wanted.iter().any(|pattern| pattern.matches(name));
    (!met).then(|| format!("channel is {name:?}, not {}", any_of(wanted)))
}

fn unmet_medium(wanted: &[String], facts: &Facts) -> Option<String> {
    let medium = facts.channel.as_ref().map(|channel| channel.medium.as_str()).unwrap_or_default();
    let met = wanted.is_empty() || wanted.iter().any(|wanted| wanted == medium);
    (!met).then(|| format!("medium is {medium:?}, not {}", any_of(wanted)))
}

/// `de` means `de-at` too, and not the other way round.
fn unmet_language(wanted: &[String], facts: &Facts) -> Option<String> {
    if wanted.is_empty() {
        return None;
    }
    let Some(language) = facts.language() else { return Some("nothing tells the language".to_owned()) };
    let is = |wanted: &String| {
        language.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let met = wanted.iter().any(is);
    (!met).then(|| format!("language is {language:?}, not {}", any_of(wanted)))
}

fn unmet_tag(wanted: &Tag, facts: &Facts) -> Option<String> {
    let Some(value) = facts.tags.get(&wanted.name) else { return Some(format!("there is no tag {:?}", wanted.name)) };
    let expected = wanted.value.as_ref()?;
    let is = |value: &serde_json::Value| scalar(value).as_ref() == Some(expected);
    let met = is(value) || value.as_array().is_some_and(|values| values.iter().any(is));
    (!met).then(|| format!("tag {:?} is {value}, not {expected:?}", wanted.name))
}

fn unmet_attribute(name: &str, wanted: &[String], facts: &Facts) -> Option<String> {
    let Some(value) = facts.attribute(name) else { return Some(format!("the contact has no attribute {name:?}")) };
    let met = scalar(value).is_some_and(|value| wanted.contains(&value));
    (!met).then(|| format!("attribute {name:?} is {value}, not {}", any_of(wanted)))
}

fn unmet_text(wanted: &Words, facts: &Facts) -> Option<String> {
    match facts.text() {
        None => Some("there is no message".to_owned()),
        Some(text) if wanted.regex.is_match(&text) => None,
        Some(_) => Some(format!("the text has nothing of {:?}", wanted.shown)),
    }
}

/// At the time when it was received.
fn unmet_hours(wanted: &hours::Hours, facts: &Facts) -> Option<String> {
    let at = facts.received_at.unwrap_or_else(Time::now);
    (!wanted.contain(at.ms())).then(|| format!("it came outside {wanted}"))
}

fn unmet_share(share: u8, salt: &str, facts: &Facts) -> Option<String> {
    let Some(conversation) = &facts.conversation else { return Some("it belongs to no conversation".to_owned()) };
    let place = place(&conversation.id, salt);
    (place >= share).then(|| format!("the conversation has place {place} of 0 to 99, not below the share of {share}"))
}

/// From 0 to 99, the same for the same conversation.
fn place(conversation: &uuid::Uuid, salt: &str) -> u8 {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(conversation.as_bytes());
    context.update(salt.as_bytes());
    let digest = context.finish();
    let number = digest.as_ref()[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (number % 100) as u8
}

fn any_of<T: ToString>(wanted: &[T]) -> String {
    let wanted: Vec<_> = wanted.iter().map(|one| format!("{:?}", one.to_string())).collect();
    wanted.join(" or ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::config::Config;

    fn route(matches: &str) -> Route {
        let text = format!(
            "[backends.a]\nurl = \"https://a.example\"\nsecret = \"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n\
             [[routes]]\nbackends = [\"a\"]\nmatch = {{ {matches} }}\n"
        );
        Config::parse(&text, Path::new(""), &|_| None).unwrap().config.routes.remove(0)
    }

    fn event(changes: Value) -> Facts {
        let mut data = json!({
            "channel": {"name": "support-sms", "medium": "sms", "adapter": "x"},
            "contact": {"id": Uuid::nil(), "attributes": {"crm": {"vip": true, "tier": "gold"}, "erp": {"tier": "silver"}}},
            "conversation": {"id": Uuid::nil()},
            "message": {"subject": "Help", "text": "My Invoice, please"},
            "tags": {"topic": "billing", "redacted": ["card"]},
            "metadata": {"language": "de-AT"},
            "received_at": "2026-01-05T10:00:00Z",
        });
        for (key, value) in changes.as_object().unwrap() {
            data[key] = value.clone();
        }
        Facts::read(json!({"specversion": "1.0", "data": data}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn every_condition_must_hold() {
        for met in [
            "",
            r#"channel = "support-*""#,
            r#"channel = ["x", "support-sms"], medium = "sms""#,
            r#"language = "de""#,
            r#"language = ["fr", "de-at"]"#,
            r#"tag = "topic""#,
            r#"tag = ["topic=billing", "redacted=card"]"#,
            r#"attribute = { vip = true, tier = ["silver", "gold"] }"#,
            r#"attribute = { "crm.tier" = "gold", "erp.tier" = "silver" }"#,
            r#"attribute = { crm.tier = "gold", erp = { tier = "silver" } }"#,
            r#"text = "inv.ice""#,
            r#"text = ["bill", "invoice"]"#,
            r#"text = "^help""#,
            r#"hours = "Mo-Fr 09:00-18:00""#,
            "share = 100",
        ] {
            assert_eq!(unmet(&route(met), "1", &event(json!({}))), None, "{met}");
        }
        for (wanted, why) in [
            (r#"channel = "sales""#, "channel is \"support-sms\", not \"sales\""),
            (r#"medium = ["email", "webchat"]"#, "medium is \"sms\", not \"email\" or \"webchat\""),
            (r#"language = "de-ch""#, "language is \"de-at\", not \"de-ch\""),
            (r#"language = "d1""#, "language is \"de-at\", not \"d1\""),
            (r#"tag = "vip""#, "there is no tag \"vip\""),
            (r#"tag = "topic=sales""#, "tag \"topic\" is \"billing\", not \"sales\""),
            (r#"attribute = { owner = "ann" }"#, "the contact has no attribute \"owner\""),
            (r#"attribute = { tier = "silver" }"#, "attribute \"tier\" is \"gold\", not \"silver\""),
            (r#"attribute = { "erp.tier" = "gold" }"#, "attribute \"erp.tier\" is \"silver\", not \"gold\""),
            (r#"attribute = { "erp.vip" = true }"#, "the contact has no attribute \"erp.vip\""),
            (r#"text = ["voice"]"#, "the text has nothing of \"voice\""),
            (r#"hours = "Sa-Su 00:00-24:00""#, "it came outside Sa-Su 00:00-24:00"),
            (r#"channel = "support-sms", share = 0"#, "not below the share of 0"),
        ] {
            let told = unmet(&route(wanted), "1", &event(json!({}))).unwrap();
            assert!(told.contains(why), "{wanted}: {told}");
        }
        let facts = event(json!({"metadata": {}, "contact": null, "message": null, "conversation": null}));
        for wanted in [r#"language = "de""#, r#"attribute = { vip = true }"#, r#"text = ".""#, "share = 100"] {
            assert!(unmet(&route(wanted), "1", &facts).is_some(), "{wanted}");
        }
    }

    #[test]
    fn a_share_is_a_share_and_stays() {
        let fifth = route("share = 20");
        let of = |id: Uuid| unmet(&fifth, "1", &event(json!({"conversation": {"id": id}}))).is_none();
        let ids: Vec<_> = (0..5_000_u128).map(Uuid::from_u128).collect();
        let count = ids.iter().filter(|id| of(**id)).count();
        assert!((800..1_200).contains(&count), "{count} of 5000");
        assert!(ids.iter().take(100).all(|id| of(*id) == of(*id)));
        let apart = ids.iter().filter(|id| place(id, "1") < 50 && place(id, "2") < 50).count();
        assert!((1_000..1_500).contains(&apart), "routes do not share the same conversations: {apart}");
    }
}
