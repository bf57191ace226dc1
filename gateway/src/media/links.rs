use std::time::Duration;

use bytes::Bytes;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::interaction::Time;
use crate::store::{Batch, Key, Store, StoreError, Write};

/// How long people may open a file that came to them as a link: `store.retention` is never shorter.
const LASTING: Duration = Duration::from_secs(7 * 24 * 3600);

/// Addresses of files that open without an API key, for a while.
pub struct Links {
    key: hmac::Key,
    base: String,
    lifetime: Duration,
}

impl Links {
    pub(super) async fn open(store: &dyn Store, public_url: &Url, lifetime: Duration) -> Result<Self, StoreError> {
        let base = public_url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &kept_key(store).await?), base, lifetime })
    }

    /// The file's address for holders of an API key.
    pub fn plain(&self, id: Uuid) -> String {
        format!("{}/v1/media/{id}", self.base)
    }

    /// The file's address for everybody, until its end.
    pub fn signed(&self, id: Uuid, now: Time) -> String {
        let expires = self.end(now);
        format!("{}?expires={expires}&signature={}", self.plain(id), self.signature("get", id, expires))
    }

    /// The address of a file, for a person to open: of ours for a week, of others as it is. Files are kept for longer.
    pub fn lasting(&self, url: &str, now: Time) -> String {
        let Some(id) = self.id_in(url) else { return url.to_owned() };
        let expires = now.plus(LASTING).seconds();
        format!("{}?expires={expires}&signature={}", self.plain(id), self.signature("get", id, expires))
    }

    /// Where a file may be uploaded, once, for ten minutes.
    pub fn upload(&self, id: Uuid, now: Time) -> String {
        let expires = now.plus(Duration::from_secs(600)).seconds();
        format!("{}/v1/uploads/{id}?expires={expires}&signature={}", self.base, self.signature("put", id, expires))
    }

    /// Whether an address was made here and has not ended. `action`: `get` or `put`.
    pub fn is_valid(&self, action: &str, id: Uuid, expires: i64, signature: &str, now: Time) -> bool {
        let genuine = hex::decode(signature)
            .is_ok_and(|tag| hmac::verify(&self.key, text(action, id, expires).as_bytes(), &tag).is_ok());
        genuine && now.seconds() < expires
    }

    /// The id in an address of ours, signed or not.
    pub fn id_in(&self, url: &str) -> Option<Uuid> {
        let rest = url.strip_prefix(&self.base)?.strip_prefix("/v1/media/")?;
        Uuid::parse_str(rest.split(['?', '#']).next()?).ok()
    }

    /// A JSON event with its media addresses signed. Most events have none: they are left as they are.
    pub(super) fn sign_all(&self, body: &Bytes, now: Time) -> Bytes {
        if memchr::memmem::find(body, b"/v1/media/").is_none() {
            return body.clone();
        }
        let Ok(mut event) = serde_json::from_slice::<Value>(body) else { return body.clone() };
        let parts = event.pointer_mut("/data/message/parts").and_then(Value::as_array_mut);
        for part in parts.into_iter().flatten() {
            if let Some(id) = part.get("url").and_then(Value::as_str).and_then(|url| self.id_in(url)) {
                part["url"] = self.signed(id, now).into();
            }
        }
        event.to_string().into()
    }

    /// Rounded up to a whole hour: retries of one event stay equal byte by byte for a while.
    fn end(&self, now: Time) -> i64 {
        const HOUR: i64 = 3600;
        (now.plus(self.lifetime).seconds() / HOUR + 1) * HOUR
    }

    fn signature(&self, action: &str, id: Uuid, expires: i64) -> String {
        hex::encode(hmac::sign(&self.key, text(action, id, expires).as_bytes()))
    }
}

fn text(action: &str, id: Uuid, expires: i64) -> String {
    format!("{action} {id} {expires}")
}

/// Made at the first start and kept: addresses survive a restart.
async fn kept_key(store: &dyn Store) -> Result<Vec<u8>, StoreError> {
    let key = Key::of(&["key", "media-links"]);
    loop {
        if let Some(entry) = store.get(&key).await? {
            return Ok(entry.value.to_vec());
        }
        let mut fresh = vec![0; 32];
        SystemRandom::new().fill(&mut fresh).map_err(|_| StoreError::Unavailable("no random bytes".into()))?;
        let writes = vec![Write::create(key.clone(), fresh)];
        match store.commit(Batch { writes, ..Batch::default() }).await {
            Ok(_) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        Links { key, base: "https://gw.example".into(), lifetime: Duration::from_secs(60) }
    }

    fn query(url: &str) -> (i64, String) {
        let url: Url = url.parse().unwrap();
        let get = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        (get("expires").parse().unwrap(), get("signature"))
    }

    #[test]
    fn an_address_opens_one_file_for_one_purpose_until_its_end() {
        let (links, id, now) = (links(), Uuid::now_v7(), Time::now());
        let (expires, signature) = query(&links.signed(id, now));
        assert!(links.is_valid("get", id, expires, &signature, now));
        assert!(!links.is_valid("put", id, expires, &signature, now));
        assert!(!links.is_valid("get", Uuid::now_v7(), expires, &signature, now));
        assert!(!links.is_valid("get", id, expires + 1, &signature, now));
        assert!(!links.is_valid("get", id, expires, &signature, Time::from_ms(expires * 1000)));
        assert!(!links.is_valid("get", id, expires, "zz", now));
    }

    #[test]
    fn only_our_own_addresses_are_signed() {
        let (links, id) = (links(), Uuid::now_v7());
        let foreign = "https://evil.example/v1/media/0198c0de-0000-7000-8000-000000000001";
        let event = serde_json::json!({"data": {"message": {"parts": [{"url": links.plain(id)}, {"url": foreign}, {"text": "x"}]}}});
        let signed = links.sign_all(&event.to_string().into(), Time::now());
        let signed: Value = serde_json::from_slice(&signed).unwrap();
        let url = |n: usize| signed["data"]["message"]["parts"][n]["url"].as_str().unwrap().to_owned();
        assert_eq!(links.id_in(&url(0)), Some(id));
        assert!(url(0).contains("signature="));
        assert_eq!(url(1), foreign);
    }
}
