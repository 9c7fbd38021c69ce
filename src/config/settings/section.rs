//! The declaration of sections: key, type, default, range and documentation of a setting in one place.

/// Declares structs whose fields are settings.
///
/// A line reads: documentation, key in the file, `=>`, field, type, `=` default, `,` allowed range. The
/// documentation stands over the field in the code and over the key in the reference file.
macro_rules! sections {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident {
            $(
                $(#[doc = $key_doc:literal])+
                $key:literal => $field:ident: $type:ty = $default:expr, $limit:expr;
            )+
        }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $key_doc])+ pub $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $crate::config::settings::setting::Setting for $name {
            type Limit = ();

            fn read(
                &mut self,
                field: &$crate::config::field::Field<'_>,
                (): &(),
                report: &mut $crate::config::problem::Report<'_>,
            ) {
                let Some(mut fields) = field.fields(report) else { return };
                $(
                    if let Some(field) = fields.take(&[$key]) {
                        $crate::config::settings::setting::Setting::read(&mut self.$field, &field, &$limit, report);
                    }
                )+
                for (_, field, nearest) in fields.unknown() {
                    let question = $crate::config::suggest::question(nearest);
                    field.error(report, "unknown_key", format!("there is no such setting{question}"));
                }
            }

            fn write(&self, key: &str, docs: &[&str], (): &(), depth: usize, out: &mut String) {
                use $crate::config::settings::setting::{Setting, comment, line};
                comment(docs, depth, out);
                line(&format!("{key}:"), depth, out);
                $(
                    Setting::write(&self.$field, $key, &[$($key_doc),+], &$limit, depth + 1, out);
                )+
            }
        }
    )+};
}

pub(super) use sections;
