package check

import (
	"math/bits"
	"strconv"
	"strings"
)

// MaxAdds is the most additions to one counter.
const MaxAdds = 31

// Amount is what the addition of that number, from 0, adds: 4 to that power. A
// sum of different ones is read as digits, 0 for an addition that it does not
// hold and 1 for one that it does; 2 and 3 are additions made more than once.
func Amount(number int) uint64 { return 1 << (2 * number) }

// numberOf is the inverse of Amount.
func numberOf(amount uint64) int { return bits.TrailingZeros64(amount) / 2 }

// times gives how often a value holds an addition.
func times(value, amount uint64) uint64 { return value / amount % 4 }

// describe spells a value as the numbers of the additions that it holds.
func describe(value uint64) string {
	var held []string
	for number := range MaxAdds + 1 {
		for range times(value, Amount(number)) {
			held = append(held, "#"+strconv.Itoa(number))
		}
	}
	return "{" + strings.Join(held, " ") + "}"
}
