use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::providers::QUESTION;
use crate::support::{Call, ProviderAnswer};

pub const TOPIC: &str = "arn:aws:sns:eu-west-1:000000000000:mail";
const KEY: &str = include_str!("../../../plugins/email/cases/sns-key.pem");

/// SNS, as it signs.
pub struct Amazon {
    key: RsaKeyPair,
    pub base: String,
}

impl Amazon {
    pub fn at(address: SocketAddr) -> Self {
        let base64: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
        let key = RsaKeyPair::from_pkcs8(&STANDARD.decode(base64).unwrap()).unwrap();
        Self { key, base: format!("http://{address}") }
    }

    /// A signed request; `more` is signed as well.
    pub fn signed(&self, kind: &str, message: &Value, more: &[(&str, String)]) -> Value {
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        let id = hex::encode(digest::digest(&digest::SHA256, message.to_string().as_bytes()));
        let mut fields = vec![
            ("Message", message.to_string()),
            ("MessageId", id),
            ("Timestamp", at),
            ("TopicArn", TOPIC.to_owned()),
            ("Type", kind.to_owned()),
        ];
        fields.extend_from_slice(more);
        fields.sort();
        let text: String = fields.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect();
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        let mut request = json!(fields.into_iter().collect::<BTreeMap<_, _>>());
        request["SignatureVersion"] = "2".into();
        request["Signature"] = STANDARD.encode(signature).into();
        request["SigningCertURL"] = format!("{}/SimpleNotificationService-0a1b.pem", self.base).into();
        request
    }

    pub fn notification(&self, message: &Value) -> Value {
        self.signed("Notification", message, &[])
    }
}

/// What Amazon's services answer.
pub fn answers(call: &Call) -> ProviderAnswer {
    let found = |body: &str| ProviderAnswer::json(200, body);
    match call.path.as_str() {
        "/SimpleNotificationService-0a1b.pem" => found(include_str!("../../../plugins/email/cases/sns.pem")),
        "/?Action=ConfirmSubscription" => found("{}"),
        "/v2/email/outbound-emails" => found(r#"{"MessageId":"0102018f-aaaa"}"#),
        "/mail-in/in/k1" => found(QUESTION),
        _ => ProviderAnswer::json(404, "{}"),
    }
}

/// The notification of a mail that lies in S3.
pub fn in_s3(key: &str) -> Value {
    let action = json!({ "type": "S3", "bucketName": "mail-in", "objectKey": key });
    json!({
        "notificationType": "Received", "mail": { "messageId": key },
        "receipt": { "recipients": ["support@example.com"], "action": action },
    })
}
