//! Mailgun: <https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/>

use omnigate_plugin::prelude::*;
use omnigate_plugin::{decode_hex, serde_json};
use sha2::{Digest, Sha256};

use super::form::{self, Fields};
use super::{API_KEY, TAG_ID, TAG_TO, WEBHOOK_KEY};
use crate::bounce::{Fate, Kind};
use crate::compose::Draft;
use crate::host::{Gateway, Host};
use crate::mime::Headers;
use crate::read::Mail;
use crate::settings::Settings;

/// As long as Mailgun repeats a request that was not acknowledged, and a little more.
const AGE_MS_MAX: u32 = 9 * 3600 * 1000;

pub(super) fn handle(settings: &Settings, request: &Request) -> Result<Outcome, Fault> {
    if request.content_type() == "application/json" {
        return event(request);
    }
    let raw = form::with_head(request);
    let fields = Fields::parse(request, &raw);
    let field = |name| fields.text(name).unwrap_or_default();
    check(request, &field("timestamp"), &field("token"), &field("signature"))?;
    let recipients: Vec<String> = fields.text("recipient").into_iter().collect();
    let token = field("token");
    if let Some(mime) = fields.bytes("body-mime") {
        return super::received(settings, &Mail::read(&mime), &token, Some(&mime), &recipients);
    }
    let head = head(&field("message-headers"))?;
    let cids = content_ids(&field("content-id-map"));
    let files =
        fields.files("attachment", |name| cids.iter().find(|(_, field)| field == name).map(|(cid, _)| cid.clone()));
    let mail = Mail::of(Headers::of_block(&head), field("body-plain"), fields.text("body-html"), files);
    super::received(settings, &mail, &token, None, &recipients)
}

/// The signature covers no body: it proves who knows the key, once.
fn check(request: &Request, timestamp: &str, token: &str, signature: &str) -> Result<(), Fault> {
    let signed = format!("{timestamp}{token}");
    secrets::verify(WEBHOOK_KEY, secrets::Algorithm::HmacSha256, signed.as_bytes(), &decode_hex(signature)?)?;
    let at = timestamp.parse::<i64>().unwrap_or_default().saturating_mul(1000);
    if (Gateway.now() - at).abs() > i64::from(AGE_MS_MAX) {
        return Err(Fault::unauthorized("the webhook is older than its provider repeats it"));
    }
    check_first(token, &Sha256::digest(&request.body))
}

/// Who overheard a signature must not use it for another mail; the same request again is a repetition.
fn check_first(token: &str, digest: &[u8]) -> Result<(), Fault> {
    const KEPT_BYTES: usize = 16;
    let key = format!("mailgun:{}", crate::thread::name(token));
    let unavailable = || Fault::unavailable("the memory of webhooks cannot be read");
    match kv::get(&key).map_err(|_| unavailable())? {
        Some(known) if known.value != digest[..KEPT_BYTES] => {
            Err(Fault::unauthorized("the webhook's token was used before"))
        }
        Some(_) => Ok(()),
        None => {
            // A full memory must not hold mail back.
            if kv::put(&key, &digest[..KEPT_BYTES], Some(AGE_MS_MAX)).is_err() {
                omnigate_plugin::warn("cannot remember a webhook's token", &[]);
            }
            Ok(())
        }
    }
}

/// JSON pairs of names and values.
fn head(json: &str) -> Result<Vec<u8>, Fault> {
    let pairs: Vec<(String, String)> = serde_json::from_str(json)?;
    let lines = pairs.iter().map(|(name, value)| format!("{name}: {}\r\n", value.replace(['\r', '\n'], " ")));
    Ok(lines.collect::<String>().into_bytes())
}

/// `{"<cid>": "attachment-1"}`
fn content_ids(json: &str) -> Vec<(String, String)> {
    let map: serde_json::Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    let pairs = map
        .iter()
        .filter_map(|(cid, field)| Some((cid.trim_matches(['<', '>']).to_owned(), field.as_str()?.to_owned())));
    pairs.collect()
}

#[derive(Deserialize)]
struct Webhook {
    signature: Signature,
    #[serde(rename = "event-data")]
    data: Data,
}

#[derive(Deserialize)]
struct Signature {
    timestamp: String,
    token: String,
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Data {
    event: String,
    /// Seconds since 1970.
    timestamp: Option<f64>,
    recipient: Option<String>,
    severity: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    delivery_status: Status,
    #[serde(default)]
    user_variables: serde_json::Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Status {
    code: Option<u32>,
    message: Option<String>,
    enhanced_code: Option<String>,
}

fn event(request: &Request) -> Result<Outcome, Fault> {
    let Webhook { signature, data } = request.json()?;
    check(request, &signature.timestamp, &signature.token, &signature.signature)?;
    let variable = |name: &str| data.user_variables.get(name).and_then(Value::as_str);
    let event = kind(&data).and_then(|kind| {
        let fate = Fate {
            recipient: data.recipient.clone(),
            kind,
            code: code(&data.delivery_status),
            text: words(&data, kind),
            at: data.timestamp.map(|at| at * 1000.0),
        };
        super::receipt(variable(TAG_ID), variable(TAG_TO), fate)
    });
    Ok(Outcome::events(event.into_iter().collect()))
}

fn kind(data: &Data) -> Option<Kind> {
    match (data.event.as_str(), data.severity.as_deref()) {
        ("delivered", _) => Some(Kind::Delivered),
        ("failed", Some("temporary")) => Some(Kind::Delayed),
        ("failed" | "rejected", _) => Some(Kind::Failed),
        ("complained" | "unsubscribed", _) => Some(Kind::Complaint),
        _ => None,
    }
}

fn code(status: &Status) -> Option<String> {
    let enhanced = status.enhanced_code.clone().filter(|code| !code.is_empty());
    enhanced.or_else(|| status.code.filter(|code| (400..600).contains(code)).map(|code| code.to_string()))
}

fn words(data: &Data, kind: Kind) -> String {
    if kind == Kind::Complaint {
        return data.event.clone();
    }
    format!(
        "{} {}",
        data.delivery_status.message.as_deref().unwrap_or_default(),
        data.reason.as_deref().unwrap_or_default()
    )
}

/// The letter itself, by `messages.mime`.
pub(super) fn send(settings: &Settings, message: &Outbound, draft: &Draft) -> Result<Vec<String>, Fault> {
    #[derive(Deserialize)]
    struct Taken {
        id: String,
    }
    let boundary = format!("omnigate-{}", message.id);
    let domain = settings.domain.as_deref().unwrap_or(settings.own_domain());
    let url = format!("{}/v3/{domain}/messages.mime", settings.base()?);
    let request = http::post(url)
        .basic("api", API_KEY)
        .header("content-type", format!("multipart/form-data; boundary={boundary}"));
    let response = http::Request { body: Some(body(message, draft, &boundary)?), ..request }.send()?;
    if !response.is_success() {
        return Err(super::fault(&response, None));
    }
    let taken: Taken = response.json()?;
    Ok(vec![taken.id.trim_matches(['<', '>']).to_owned()])
}

fn body(message: &Outbound, draft: &Draft, boundary: &str) -> Result<Vec<u8>, Fault> {
    let to = draft.to.first().map(|to| to.address.clone()).unwrap_or_default();
    let fields = [("to", draft.envelope()?.join(",")), ("v:omnigate_id", message.id.clone()), ("v:omnigate_to", to)];
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"message\"; filename=\"message.eml\"\r\nContent-Type: message/rfc822\r\n\r\n").bytes());
    body.extend(draft.write());
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    Ok(body)
}
