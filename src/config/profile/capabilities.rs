//! The `capabilities` of one provider.

use lasso_layers::catalog::{Capabilities, Category, ErrorRule, MethodCategory};

use super::super::field::Field;
use super::super::problem::Report;
use super::super::suggest;
use super::texts;

/// Reads the block of a provider, given by id.
pub(super) fn read(field: &Field<'_>, provider: &str, report: &mut Report<'_>) -> Capabilities {
    let mut capabilities = Capabilities::default();
    if field.node.as_map().is_none() {
        let message = format!("found {}, which counts as nothing; allowed is a mapping", field.shown());
        field.warn(report, "ignored_value", message);
        return capabilities;
    }
    let Some(mut fields) = field.fields(report) else { return capabilities };
    if let Some(categories) = fields.take(&["unsupported_categories"]) {
        capabilities.unsupported_categories =
            categories.items().iter().filter_map(|item| method_category(item, provider, report)).collect();
    }
    if let Some(methods) = fields.take(&["unsupported_methods"]) {
        capabilities.unsupported_methods = texts(&methods, report);
    }
    if let Some(mut limits) = fields.take(&["limits"]).and_then(|field| field.fields(report)) {
        capabilities.max_block_range =
            limits.take(&["max_block_range"]).and_then(|field| field.int(report, 0, u64::MAX));
        capabilities.max_block_age =
            limits.take(&["max_block_age"]).and_then(|field| field.int(report, 0, u64::MAX));
        if let Some(methods) = limits.take(&["block_age_methods"]) {
            capabilities.block_age_methods =
                methods.list(report).iter().filter_map(|item| string(item, report)).collect();
        }
        limits.warn_unknown(report, &[]);
    }
    if let Some(rules) = fields.take(&["error_rules"]) {
        capabilities.error_rules =
            rules.list(report).iter().filter_map(|item| error_rule(item, provider, report)).collect();
    }
    fields.warn_unknown(report, &[]);
    capabilities
}

fn method_category(field: &Field<'_>, provider: &str, report: &mut Report<'_>) -> Option<MethodCategory> {
    let category = field.node.as_text().and_then(MethodCategory::from_name);
    if category.is_none() {
        let known = MethodCategory::NAMED.map(MethodCategory::as_str);
        field.error(report, "invalid_capability", not_among(field, provider, &known));
    }
    category
}

fn error_rule(field: &Field<'_>, provider: &str, report: &mut Report<'_>) -> Option<ErrorRule> {
    let Some(mut fields) = field.fields(report) else {
        if field.node.is_null() {
            field.refuse(report, "a mapping");
        }
        return None;
    };
    let (code, texts) = (fields.take(&["code"]), fields.take(&["message_contains"]));
    if code.is_none() && texts.as_ref().is_none_or(|field| field.node.as_list().is_some_and(<[_]>::is_empty))
    {
        let message = format!(
            "provider `{provider}`: found no condition; a rule needs `code`, `message_contains` or both"
        );
        field.error(report, "invalid_error_rule", message);
    }
    let code = code.and_then(|field| {
        let code = field.node.as_int().and_then(|code| i64::try_from(code).ok());
        if code.is_none() {
            field.error(
                report,
                "invalid_error_rule",
                format!("found {}; allowed is a whole number", field.shown()),
            );
        }
        code
    });
    let message_contains = texts
        .map(|field| field.items().iter().filter_map(|item| string(item, report)).collect())
        .unwrap_or_default();
    let allowed = Category::RULE_CATEGORIES;
    let category = match fields.take(&["category"]) {
        Some(field) => {
            let category = field.node.as_text().and_then(Category::from_name);
            let category = category.filter(|category| allowed.contains(category));
            if category.is_none() {
                let known = allowed.map(Category::as_str);
                field.error(report, "invalid_error_rule", not_among(&field, provider, &known));
            }
            category
        }
        None => {
            let message = format!("provider `{provider}`: found no `category`; a rule needs one");
            field.error(report, "invalid_error_rule", message);
            None
        }
    };
    fields.warn_unknown(report, &[]);
    Some(ErrorRule { code, message_contains, category: category? })
}

fn string(field: &Field<'_>, report: &mut Report<'_>) -> Option<String> {
    let text = field.node.as_string();
    if text.is_none() {
        field.refuse(report, "a string or a list of strings");
    }
    text.map(str::to_owned)
}

fn not_among(field: &Field<'_>, provider: &str, known: &[&str]) -> String {
    let question =
        suggest::question(suggest::nearest(field.node.as_text().unwrap_or_default(), known.iter().copied()));
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("provider `{provider}`: found {}; allowed are {}{question}", field.shown(), known.join(", "))
}
