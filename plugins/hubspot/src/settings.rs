use serde::Deserialize;

/// `settings` of the connector; the schema is in the manifest.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) api_base: String,
    pub(crate) api_version: String,
    pub(crate) key_property: String,
    pub(crate) status_property: Option<String>,
    pub(crate) several: Several,
    pub(crate) link: Option<String>,
    pub(crate) pipeline: Option<String>,
    pub(crate) stage: String,
    pub(crate) closed_stage: Option<String>,
    /// Whether files of messages are uploaded.
    pub(crate) files: bool,
    pub(crate) files_folder: String,
    /// Of one file, in bytes.
    pub(crate) file_bytes_max: usize,
}

/// What to do with a telephone number that several contacts have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Several {
    Newest,
    New,
}
