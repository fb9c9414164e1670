package nanos

import "strconv"

// Append appends a number of nanoseconds as strconv.AppendInt does. For the times since
// 2001, which have nineteen digits, it takes half as long.
func Append(dst []byte, ns int64) []byte {
	const first, half = 1_000_000_000_000_000_000, 1_000_000_000
	if ns < first {
		return strconv.AppendInt(dst, ns, 10)
	}
	dst = append(dst, byte('0'+ns/first))
	return AppendFraction(AppendFraction(dst, int(ns/half%half)), int(ns%half))
}

// AppendFraction appends nanoseconds of a second as nine digits.
func AppendFraction(dst []byte, ns int) []byte {
	var digits [9]byte
	n := uint32(ns)
	for i := len(digits) - 1; i > 0; i -= 2 {
		rest := n / 100
		two := n - 100*rest
		digits[i-1], digits[i], n = byte('0'+two/10), byte('0'+two%10), rest
	}
	digits[0] = byte('0' + n)
	return append(dst, digits[:]...)
}

// AppendTwo appends a number below 100 as two digits.
func AppendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }
