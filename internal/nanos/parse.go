package nanos

import "encoding/binary"

// The years of which 64 bits of nanoseconds since the epoch can express every day.
const firstYear, lastYear = 1678, 2261

// Parse parses RFC 3339 with at most nine digits of fraction, and returns nanoseconds
// since 1970. It refuses everything that only package time can decide.
func Parse(b []byte) (ns int64, ok bool) {
	const form = "2006-01-02T15:04:05"
	if len(b) < len(form)+1 || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	century, ok1 := twoDigits(b[0], b[1])
	yy, ok2 := twoDigits(b[2], b[3])
	month, ok3 := twoDigits(b[5], b[6])
	day, ok4 := twoDigits(b[8], b[9])
	hour, ok5 := twoDigits(b[11], b[12])
	minute, ok6 := twoDigits(b[14], b[15])
	second, ok7 := twoDigits(b[17], b[18])
	year := century*100 + yy
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) || year < firstYear || year > lastYear ||
		month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	fraction, b, ok := parseFraction(b[len(form):])
	if !ok {
		return 0, false
	}
	zone, ok := parseZone(b)
	if !ok {
		return 0, false
	}
	seconds := daysSinceEpoch(year, month, day)*86400 + hour*3600 + minute*60 + second - zone
	return seconds*1e9 + fraction, true
}

func twoDigits(a, b byte) (int64, bool) {
	a, b = a-'0', b-'0'
	return int64(a)*10 + int64(b), a <= 9 && b <= 9
}

func parseFraction(b []byte) (ns int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' {
		return 0, b, true
	}
	// Nine digits, the usual case: eight of them at once.
	if len(b) > 10 && b[9]-'0' <= 9 && b[10]-'0' > 9 {
		if eight, ok := eightDigits(binary.LittleEndian.Uint64(b[1:])); ok {
			return eight*10 + int64(b[9]-'0'), b[10:], true
		}
	}
	i, unit := 1, int64(1e9)
	for i < len(b) && b[i]-'0' <= 9 {
		if unit == 1 {
			return 0, nil, false
		}
		unit /= 10
		ns += int64(b[i]-'0') * unit
		i++
	}
	return ns, b[i:], i > 1
}

// eightDigits returns the number spelled by eight characters, the first in the lowest
// byte: neighbours are combined into numbers of two, four, eight digits.
func eightDigits(x uint64) (int64, bool) {
	const ones = 0x0101_0101_0101_0101
	if x&(ones*0xf0) != ones*0x30 || (x+ones*0x06)&(ones*0xf0) != ones*0x30 {
		return 0, false
	}
	const low4 = 0x0000_00ff_0000_00ff
	x -= ones * '0'
	x = x*10 + x>>8
	x = (x&low4*(100+1000000<<32) + x>>16&low4*(1+10000<<32)) >> 32
	return int64(x), true
}

// parseZone returns the offset from UTC in seconds.
func parseZone(b []byte) (int64, bool) {
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != len("+00:00") || b[0] != '+' && b[0] != '-' || b[3] != ':' {
		return 0, false
	}
	hours, ok1 := twoDigits(b[1], b[2])
	minutes, ok2 := twoDigits(b[4], b[5])
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := hours*3600 + minutes*60
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSinceEpoch counts days from 1970-01-01 in the Gregorian calendar. The year begins
// in March here, so that the leap day is its last.
func daysSinceEpoch(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	const daysTo1970 = 719469 // from March 1st of the year 0, and the 1 that days count from
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - daysTo1970
}
