//! Which signs of a text nobody would see: controls, those that turn the direction of what stands around them, those without
//! width, and code points that are no signs. The sets are those of Unicode's `General_Category` Cc, Co, Zl and Zp, of its
//! noncharacters, of `Bidi_Control` and of `Default_Ignorable_Code_Point`, less what a script or an emoji needs where it stands.

/// The signs of a text, each with whether nobody would see it.
pub(super) fn signs(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut rest = text.chars().peekable();
    let mut before: Option<char> = None;
    // How many tags have followed a black flag: they name a region.
    let mut tags: Option<usize> = None;
    std::iter::from_fn(move || {
        let sign = rest.next()?;
        tags = match sign {
            '\u{1f3f4}' => Some(0),
            '\u{e0020}'..='\u{e007f}' => tags.map(|count| count + 1).filter(|count| *count <= MOST_TAGS),
            _ => None,
        };
        let hidden = if tags.is_some() { false } else { is_hidden(sign, before, rest.peek().copied()) };
        before = (!hidden).then_some(sign);
        Some((sign, hidden))
    })
}

/// Tags of a region's flag: its code of at most six letters, and the end.
const MOST_TAGS: usize = 7;

/// Whether a sign between its neighbours is nowhere to be seen.
fn is_hidden(sign: char, before: Option<char>, after: Option<char>) -> bool {
    let follows = |is: fn(char) -> bool| before.is_some_and(is);
    let stands_between = |is: fn(char) -> bool| before.is_some_and(is) && after.is_some_and(is);
    match sign {
        // Words are parted by it in scripts that write no spaces.
        '\u{200b}' => !stands_between(has_no_spaces),
        // They shape the letters of many scripts, and the second joins pictures to one.
        '\u{200c}' => !follows(is_shaped),
        '\u{200d}' => !(follows(is_shaped) || stands_between(is_picture)),
        // They choose one of the looks of the sign before them.
        '\u{180b}'..='\u{180d}' | '\u{180f}' => !follows(|c| matches!(c, '\u{1820}'..='\u{18aa}')),
        '\u{fe00}'..='\u{fe0f}' => !follows(has_looks),
        '\u{e0100}'..='\u{e01ef}' => !follows(|c| c >= '\u{2e80}' && has_looks(c)),
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180e}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}' => true,
        _ => u32::from(sign) & 0xfffe == 0xfffe,
    }
}

/// Letters and marks of Thai, Lao, Myanmar and Khmer.
const fn has_no_spaces(sign: char) -> bool {
    matches!(sign, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

/// Letters and marks of the scripts from Hebrew and Arabic to those of India and beyond, whose letters join.
const fn is_shaped(sign: char) -> bool {
    matches!(
        sign,
        '\u{590}'..='\u{109f}'
            | '\u{1780}'..='\u{18af}'
            | '\u{1900}'..='\u{1cff}'
            | '\u{a800}'..='\u{abff}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefc}'
            | '\u{10a00}'..='\u{11fff}'
            | '\u{1e900}'..='\u{1e95f}'
    )
}

/// Pictures, and what follows them as a part.
pub(super) const fn is_picture(sign: char) -> bool {
    matches!(
        sign,
        '©' | '®'
            | '\u{203c}'
            | '\u{2049}'
            | '\u{2122}'
            | '\u{2139}'
            | '\u{2190}'..='\u{21ff}'
            | '\u{2300}'..='\u{23ff}'
            | '\u{24c2}'
            | '\u{25a0}'..='\u{27bf}'
            | '\u{2934}'..='\u{2935}'
            | '\u{2b00}'..='\u{2bff}'
            | '\u{3030}'
            | '\u{303d}'
            | '\u{3297}'
            | '\u{3299}'
            | '\u{fe0f}'
            | '\u{1f000}'..='\u{1faff}'
            | '\u{e007f}'
    )
}

/// Signs of which a text may choose another look: digits as keys, pictures, mathematics, and the signs of East Asia.
const fn has_looks(sign: char) -> bool {
    matches!(sign, '0'..='9' | '#' | '*')
        || is_picture(sign) && sign != '\u{fe0f}'
        || sign >= '\u{1000}' && !matches!(sign, '\u{fe00}'..='\u{fe0f}')
}
