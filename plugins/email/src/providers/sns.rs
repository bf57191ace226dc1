//! Amazon SNS, which brings what SES tells: who signed a notification, and the confirmation of a subscription.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>

use mail_parser::DateTime;
use omnigate_plugin::certificates::{self, Algorithm};
use omnigate_plugin::decode_base64;
use omnigate_plugin::prelude::*;

use super::WEBHOOK_PASSWORD;
use crate::host::{Gateway, Host};
use crate::settings::Settings;

/// As long as duplicates are known at least: what is older might be one.
const AGE_MS_MAX: i64 = 7 * 24 * 3600 * 1000;
/// SNS exchanges its certificate now and then; the new one has another name.
const CERTIFICATE_KEPT_MS: u32 = 24 * 3600 * 1000;

/// What a request of SNS was.
pub(super) enum Taken {
    Notification(String),
    /// A subscription, which is now in force.
    Confirmed,
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    #[serde(rename = "Type")]
    kind: String,
    message_id: String,
    topic_arn: String,
    message: String,
    subject: Option<String>,
    timestamp: String,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    #[serde(default)]
    signature_version: String,
    #[serde(default)]
    signature: String,
    #[serde(default, rename = "SigningCertURL")]
    certificate_url: String,
}

/// What came, once it is known that SNS sent it for a topic of ours.
///
/// # Errors
/// `unauthorized` for what SNS did not sign, or not lately, or for another topic; `unavailable` without a certificate.
pub(super) fn taken(settings: &Settings, request: &Request) -> Result<Taken, Fault> {
    let envelope: Envelope = request.json()?;
    check_topic(settings, request, &envelope)?;
    let base = base(settings, &envelope.topic_arn)?;
    check_signature(&base, &envelope)?;
    check_age(&envelope)?;
    match envelope.kind.as_str() {
        "SubscriptionConfirmation" => confirm(&base, &envelope),
        "Notification" => Ok(Taken::Notification(envelope.message)),
        _ => Ok(Taken::Other),
    }
}

/// SNS signs for everybody who has an account there.
fn check_topic(settings: &Settings, request: &Request, envelope: &Envelope) -> Result<(), Fault> {
    let has_password = secrets::is_set(WEBHOOK_PASSWORD);
    match &settings.topic_arn {
        Some(topic) if *topic != envelope.topic_arn => {
            return Err(Fault::unauthorized("the notification is of another topic than settings.topic_arn"));
        }
        None if !has_password => {
            return Err(Fault::internal(
                "set settings.topic_arn or the secret webhook_password: anybody may have a topic",
            ));
        }
        _ => {}
    }
    if has_password { super::check_password(request) } else { Ok(()) }
}

/// Where SNS is. A topic is named `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
fn base(settings: &Settings, topic: &str) -> Result<String, Fault> {
    if let Some(base) = &settings.sns_base {
        return Ok(base.clone());
    }
    let mut words = topic.split(':').skip(1);
    let (partition, service, region) = (words.next(), words.next(), words.next().unwrap_or_default());
    let is_region = !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if service != Some("sns") || !is_region {
        return Err(Fault::unauthorized("TopicArn is not the name of a topic"));
    }
    let domain = if partition == Some("aws-cn") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Ok(format!("https://sns.{region}.{domain}"))
}

fn check_signature(base: &str, envelope: &Envelope) -> Result<(), Fault> {
    let algorithm = match envelope.signature_version.as_str() {
        "1" => Algorithm::RsaSha1,
        "2" => Algorithm::RsaSha256,
        _ => return Err(Fault::unauthorized("SignatureVersion must be 1 or 2: raw message delivery has no signature")),
    };
    let file = certificate_file(base, &envelope.certificate_url)?;
    let signature = decode_base64(&envelope.signature)?;
    let key = format!("sns:{file}");
    let known = kv::get(&key).map_err(|_| Fault::unavailable("the memory of certificates cannot be read"))?;
    let is_known = known.is_some();
    let certificate = match known {
        Some(known) => known.value,
        None => fetch(&envelope.certificate_url)?,
    };
    certificates::verify(&certificate, algorithm, signed(envelope).as_bytes(), &signature)?;
    // What was verified with it is genuine, whether it can be remembered or not.
    if !is_known && kv::put(&key, &certificate, Some(CERTIFICATE_KEPT_MS)).is_err() {
        omnigate_plugin::warn("cannot remember the certificate of SNS", &[]);
    }
    Ok(())
}

/// The address comes from outside: only SNS itself may be asked, and only for a certificate.
fn certificate_file<'a>(base: &str, url: &'a str) -> Result<&'a str, Fault> {
    const NAME_MAX: usize = 100;
    let refused =
        || Fault::unauthorized("SigningCertURL must be the address of a certificate of SNS in the topic's region");
    let file = below(base, url).ok_or_else(refused)?;
    let name = file.strip_prefix("SimpleNotificationService-").and_then(|rest| rest.strip_suffix(".pem"));
    let is_name = |name: &str| name.len() <= NAME_MAX && name.bytes().all(|b| b.is_ascii_alphanumeric());
    name.filter(|name| is_name(name)).map(|_| file).ok_or_else(refused)
}

fn below<'a>(base: &str, url: &'a str) -> Option<&'a str> {
    url.strip_prefix(base)?.strip_prefix('/')
}

fn fetch(url: &str) -> Result<Vec<u8>, Fault> {
    // Not to be refused for good: SNS did nothing wrong.
    let missing = |why: &str| Fault::unavailable(format!("the certificate of SNS cannot be fetched: {why}"));
    let response = http::get(url).send().map_err(|fault| missing(&fault.message))?;
    if !response.is_success() {
        return Err(missing("the answer is no success").with_code(response.status));
    }
    Ok(response.body)
}

/// Name and value of each field that the kind has, in the order of their names.
fn signed(envelope: &Envelope) -> String {
    let is_notification = envelope.kind == "Notification";
    let fields = [
        ("Message", Some(&envelope.message)),
        ("MessageId", Some(&envelope.message_id)),
        ("Subject", envelope.subject.as_ref().filter(|_| is_notification)),
        ("SubscribeURL", envelope.subscribe_url.as_ref().filter(|_| !is_notification)),
        ("Timestamp", Some(&envelope.timestamp)),
        ("Token", envelope.token.as_ref().filter(|_| !is_notification)),
        ("TopicArn", Some(&envelope.topic_arn)),
        ("Type", Some(&envelope.kind)),
    ];
    fields.iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value.as_ref()?))).collect()
}

fn check_age(envelope: &Envelope) -> Result<(), Fault> {
    let at = DateTime::parse_rfc3339(&envelope.timestamp).map(|at| at.to_timestamp().saturating_mul(1000));
    match at {
        Some(at) if (Gateway.now() - at).abs() <= AGE_MS_MAX => Ok(()),
        _ => Err(Fault::unauthorized("the notification is older than SNS repeats it")),
    }
}

fn confirm(base: &str, envelope: &Envelope) -> Result<Taken, Fault> {
    let url = envelope.subscribe_url.as_deref().filter(|url| below(base, url).is_some());
    let url = url.ok_or_else(|| Fault::invalid("SubscribeURL must be an address of SNS in the topic's region"))?;
    let unconfirmed = |why: &str| Fault::unavailable(format!("SNS does not confirm the subscription: {why}"));
    let response = http::get(url).send().map_err(|fault| unconfirmed(&fault.message))?;
    if !response.is_success() {
        return Err(unconfirmed("the answer is no success").with_code(response.status));
    }
    Ok(Taken::Confirmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_the_topic_says_where_sns_is() {
        let base = |topic| base(&Settings::example(), topic).ok();
        assert_eq!(base("arn:aws:sns:eu-west-1:0:mail").unwrap(), "https://sns.eu-west-1.amazonaws.com");
        assert_eq!(base("arn:aws-cn:sns:cn-north-1:0:mail").unwrap(), "https://sns.cn-north-1.amazonaws.com.cn");
        for topic in ["", "arn:aws:sqs:eu-west-1:0:mail", "arn:aws:sns:evil.example/:0:mail", "arn:aws:sns::0:mail"] {
            assert_eq!(base(topic), None, "{topic}");
        }
    }

    #[test]
    fn a_certificate_is_taken_from_sns_alone() {
        let file = |url| certificate_file("https://sns.eu-west-1.amazonaws.com", url).ok();
        let good = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem";
        assert_eq!(file(good), Some("SimpleNotificationService-0a1b.pem"));
        for bad in [
            "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-west-1.amazonaws.com/../x/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem?to=evil",
            "https://sns.eu-west-1.amazonaws.com/?Action=Publish",
        ] {
            assert_eq!(file(bad), None, "{bad}");
        }
    }
}
