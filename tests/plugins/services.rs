//! The gateway as a plugin under test sees it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use omnigate::interaction::Identity;
use omnigate::plugin::{KeptFile, KvEntry, KvError, Services, Ticket};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case::{self, Case};
use crate::given::file_id;
use crate::shown::parsed;

/// What a case says the gateway knows; records what is pushed.
#[derive(Default)]
pub struct CaseServices {
    history: Mutex<Vec<Bytes>>,
    sockets: Mutex<u32>,
    pub pushed: Mutex<Vec<Value>>,
    kv: Mutex<BTreeMap<String, (Vec<u8>, u64)>>,
    files: Mutex<Vec<Vec<u8>>>,
    kept_files: Mutex<u128>,
}

impl CaseServices {
    pub fn reset(&self, case: &Case) {
        *self.history.lock().unwrap() = case.history.iter().map(|event| event.to_string().into()).collect();
        *self.sockets.lock().unwrap() = case.sockets;
        self.pushed.lock().unwrap().clear();
        let content =
            |file: &case::File| file.hex.as_ref().map_or(file.text.clone().into(), |hex| hex::decode(hex).unwrap());
        *self.files.lock().unwrap() = case.files.values().map(content).collect();
        *self.kept_files.lock().unwrap() = 0;
        *self.kv.lock().unwrap() =
            case.kv.iter().map(|(key, value)| (key.clone(), (value.clone().into_bytes(), 1))).collect();
    }

    pub fn kept(&self) -> Value {
        let kv = self.kv.lock().unwrap();
        kv.iter()
            .map(|(key, (value, _))| (key.clone(), Value::from(String::from_utf8_lossy(value).into_owned())))
            .collect()
    }
}

#[async_trait]
impl Services for CaseServices {
    async fn kv_get(&self, _: &str, key: &str) -> Result<Option<KvEntry>, KvError> {
        let kv = self.kv.lock().unwrap();
        Ok(kv.get(key).map(|(value, version)| KvEntry { value: value.clone().into(), version: *version }))
    }

    async fn kv_put(
        &self,
        _: &str,
        key: &str,
        value: Vec<u8>,
        expect: Option<u64>,
        _: Option<Duration>,
    ) -> Result<u64, KvError> {
        let mut kv = self.kv.lock().unwrap();
        let current = kv.get(key).map_or(0, |(_, version)| *version);
        if expect.is_some_and(|expect| expect != current) {
            return Err(KvError::Conflict);
        }
        kv.insert(key.to_owned(), (value, current + 1));
        Ok(current + 1)
    }

    async fn kv_delete(&self, _: &str, key: &str) -> Result<(), KvError> {
        self.kv.lock().unwrap().remove(key);
        Ok(())
    }

    fn push(&self, _: &str, address: &str, frame: &str) -> u32 {
        self.pushed.lock().unwrap().push(json!({"address": address, "frame": parsed(frame)}));
        *self.sockets.lock().unwrap()
    }

    async fn history(&self, _: &str, _: &Identity, after: Option<&str>, limit: usize) -> Vec<Bytes> {
        let history = self.history.lock().unwrap();
        let is_after = |event: &&Bytes| after.is_some_and(|after| String::from_utf8_lossy(event).contains(after));
        let skip = history.iter().position(|event| is_after(&event)).map_or(0, |at| at + 1);
        history.iter().skip(skip).take(limit).cloned().collect()
    }

    async fn open_upload(&self, channel: &str, name: &str, content_type: &str, bytes: u64) -> Result<Ticket, String> {
        if bytes > 1_000_000 {
            return Err(format!("{name} ({content_type}) has more than 1000000 bytes"));
        }
        Ok(Ticket { id: "upload-1".into(), url: format!("https://gw.example/v1/uploads/{channel}-1") })
    }

    async fn keep_file(&self, name: Option<String>, content_type: &str, content: Vec<u8>) -> Result<KeptFile, String> {
        if content.len() > 20_000_000 {
            return Err("the file has more than 20000000 bytes".into());
        }
        let mut count = self.kept_files.lock().unwrap();
        *count += 1;
        Ok(KeptFile {
            id: file_id(*count - 1),
            name,
            content_type: content_type.to_owned(),
            bytes: content.len() as u64,
            sha256: hex::encode(ring::digest::digest(&ring::digest::SHA256, &content)),
        })
    }

    async fn read_file(&self, id: Uuid, _: u64) -> Result<Vec<u8>, String> {
        let files = self.files.lock().unwrap();
        let file = usize::try_from(id.as_u128() - 1).ok().and_then(|at| files.get(at));
        file.cloned().ok_or_else(|| "no such file".to_owned())
    }
}
