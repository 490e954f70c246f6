//! Converts stored values to text and back.

/// Writes a stored value with the decimals of its metric: `12.50`, `-0.05`, `7`.
pub fn write_decimal(out: &mut Vec<u8>, value: i64, decimals: u32) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut first = digits.len();
    while rest > 0 || first > digits.len() - 1 - decimals as usize {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let point = digits.len() - decimals as usize;
    out.extend_from_slice(&digits[first..point]);
    if decimals > 0 {
        out.push(b'.');
        out.extend_from_slice(&digits[point..]);
    }
}

/// Parses the text that `write_decimal` writes. Returns `None` for any other number of decimals or other spelling of
/// the number.
pub fn read_decimal(text: &str, decimals: u32) -> Option<i64> {
    let negative = text.starts_with('-');
    let (whole, fraction) = match text[usize::from(negative)..].split_once('.') {
        Some(parts) => parts,
        None => (&text[usize::from(negative)..], ""),
    };
    let lawful = !whole.is_empty()
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.len() == decimals as usize
        && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if !lawful {
        return None;
    }
    let value: i64 = format!("{whole}{fraction}").parse().ok()?;
    match (negative, value) {
        (true, 0) => None,
        (true, _) => Some(-value),
        _ => Some(value),
    }
}

/// Parses a number with at most this number of decimals, as other programs write it: `12.5` for `12.50`.
pub fn read_short_decimal(text: &str, decimals: u32) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let padded = format!("{fraction:0<width$}", width = decimals as usize);
    read_decimal(&if padded.is_empty() { whole.to_string() } else { format!("{whole}.{padded}") }, decimals)
}

/// Returns a stored value as text, with the decimals of its metric.
pub fn decimal_text(value: i64, decimals: u32) -> String {
    let mut text = Vec::new();
    write_decimal(&mut text, value, decimals);
    String::from_utf8(text).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_and_read_back() {
        for (value, decimals, text) in [
            (1250, 2, "12.50"),
            (-5, 2, "-0.05"),
            (7, 0, "7"),
            (0, 0, "0"),
            (0, 3, "0.000"),
            (999, 1, "99.9"),
        ] {
            let mut out = Vec::new();
            write_decimal(&mut out, value, decimals);
            assert_eq!(String::from_utf8(out).unwrap(), text);
            assert_eq!(read_decimal(text, decimals), Some(value));
        }
        for (text, decimals, value) in [
            ("12.5", 2, Some(1250)),
            ("12", 2, Some(1200)),
            ("-0.05", 2, Some(-5)),
            ("7", 0, Some(7)),
            ("7.5", 0, None),
            ("1.234", 2, None),
            ("1e3", 2, None),
        ] {
            assert_eq!(read_short_decimal(text, decimals), value, "{text}");
        }
        for (text, decimals) in [
            ("1.5", 2),
            (".50", 2),
            ("1.500", 2),
            ("+1.50", 2),
            ("--1.50", 2),
            ("1", 2),
            ("", 0),
            ("007.50", 2),
            ("-0.00", 2),
        ] {
            assert_eq!(read_decimal(text, decimals), None, "{text}");
        }
    }
}
