//! E-mail
mod html;
mod mime;
mod quote;
mod text;
