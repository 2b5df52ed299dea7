package ledger

import "strconv"

// instant writes a time for people, as RFC 3339 in UTC: the machine has no clock,
// nor the package of one. The day is found as in the calendar of 400 years, each
// begun in March, that Howard Hinnant describes in "chrono-Compatible Low-Level
// Date Algorithms".
func instant(nanos int64) string {
	days, rest := nanos/day, nanos%day
	if rest < 0 {
		days, rest = days-1, rest+day
	}
	const era = 146_097 // days of 400 years
	shifted := days + 719_468
	of := shifted / era
	if shifted < 0 {
		of = (shifted - era + 1) / era
	}
	inEra := shifted - of*era
	year := (inEra - inEra/1460 + inEra/36_524 - inEra/146_096) / 365
	inYear := inEra - (365*year + year/4 - year/100)
	month := (5*inYear + 2) / 153
	date := inYear - (153*month+2)/5 + 1
	year += of * 400
	if month += 3; month > 12 {
		month, year = month-12, year+1
	}
	text := strconv.FormatInt(year, 10) + "-" + digits(month, 2) + "-" + digits(date, 2)
	seconds := rest / second
	text += "T" + digits(seconds/3600, 2) + ":" + digits(seconds/60%60, 2) + ":" + digits(seconds%60, 2)
	if rest %= second; rest != 0 {
		text += "." + digits(rest, 9)
	}
	return text + "Z"
}

// digits writes a number with leading zeros.
func digits(n int64, count int) string {
	text := strconv.FormatInt(n, 10)
	for len(text) < count {
		text = "0" + text
	}
	return text
}
