use rusqlite::{Error, ErrorCode, ffi};

use crate::store::StoreError;

/// What an error of SQLite means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No space.
    Full,
    /// It passes by itself: somebody holds a lock, or memory is short.
    Passing,
    /// The statement asks for what cannot be; others are not concerned.
    Refused,
    /// What is stored makes no sense.
    Damaged,
    /// The disk, or something unforeseen.
    Broken,
}

impl Fault {
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::SqliteFailure(failure, _) => Self::of_code(*failure),
            Error::ToSqlConversionFailure(_) => Self::Refused,
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::QueryReturnedNoRows
            | Error::Utf8Error(..) => Self::Damaged,
            _ => Self::Broken,
        }
    }

    fn of_code(failure: ffi::Error) -> Self {
        match failure.code {
            ErrorCode::DiskFull => Self::Full,
            // The index of the log of writes could not grow.
            _ if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OutOfMemory => Self::Passing,
            ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => Self::Refused,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged,
            _ => Self::Broken,
        }
    }

    /// Whether the connection is no longer to be trusted.
    pub(super) fn needs_reopening(self) -> bool {
        matches!(self, Self::Damaged | Self::Broken)
    }
}

/// For a call after which it is certain that nothing happened.
pub(super) fn without_effect(error: &Error) -> StoreError {
    match Fault::of(error) {
        Fault::Full => StoreError::Full,
        Fault::Damaged => StoreError::Corrupt(error.to_string()),
        Fault::Passing | Fault::Refused | Fault::Broken => StoreError::Unavailable(error.to_string()),
    }
}

/// For the COMMIT itself: what was written may come to light when the log of writes is read again.
pub(super) fn of_commit(error: &Error) -> StoreError {
    match Fault::of(error) {
        Fault::Full => StoreError::Full,
        Fault::Passing => StoreError::Unavailable(error.to_string()),
        Fault::Refused | Fault::Damaged | Fault::Broken => StoreError::Unknown(error.to_string()),
    }
}

/// For a stored value that no version of ours has written.
pub(super) fn damaged(column: usize, what: &'static str) -> Error {
    Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, what.into())
}
