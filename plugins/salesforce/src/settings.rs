use serde::Deserialize;

/// `settings` of the connector; the schema is in the manifest.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) api_base: String,
    pub(crate) api_version: String,
    pub(crate) key_field: String,
    pub(crate) status_field: Option<String>,
    pub(crate) time_field: Option<String>,
    pub(crate) channel_field: Option<String>,
    pub(crate) direction_field: Option<String>,
    pub(crate) task_status: String,
    pub(crate) several: Several,
    pub(crate) account_id: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) cases: bool,
    pub(crate) case_origin: Option<String>,
    pub(crate) case_closed_status: Option<String>,
    pub(crate) case_reopened_status: Option<String>,
    pub(crate) organization_id: Option<String>,
    /// Whether files of messages are uploaded.
    pub(crate) files: bool,
    /// Of one file, in bytes.
    pub(crate) file_bytes_max: usize,
}

/// What to do with an address that several contacts have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Several {
    Newest,
    New,
}
