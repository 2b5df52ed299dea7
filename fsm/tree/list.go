package tree

import (
	"slices"

	"acquired/proto/fault"
)

// Place gives the list with the annotation written into it, and where. It leaves
// out those that have ended. The lists are ordered by compare, which compares
// the unique last; header gives the header of an annotation.
func Place[A any](all []A, one A, header func(*A) *Header, compare func(a, b *A) int, ifVersion, now int64) (list []A, at int, err error) {
	list = live(all, header, now)
	h := header(&one)
	if h.Unique == 0 {
		h.Unique = next(list, one, header, compare)
	}
	if h.Unique > MaxUnique {
		return nil, 0, fault.Invalid.New("unique %d: it is 1 to %d", h.Unique, int64(MaxUnique))
	}
	at, found := slices.BinarySearchFunc(list, one, func(a, b A) int { return compare(&a, &b) })
	var existing *Header
	if found {
		existing = header(&list[at])
	}
	written, err := Write(existing, *h, ifVersion)
	if err != nil {
		return nil, 0, err
	}
	*h = written
	if found {
		list[at] = one
		return list, at, nil
	}
	if len(list) >= MaxAnnotations {
		return nil, 0, fault.Exhausted.New("the node has %d annotations of this kind, which is the most", len(list))
	}
	return slices.Insert(list, at, one), at, nil
}

// Displace gives the list without the annotation that compares equal to one.
func Displace[A any](all []A, one A, header func(*A) *Header, compare func(a, b *A) int, ifVersion, now int64) ([]A, error) {
	list := live(all, header, now)
	at, found := slices.BinarySearchFunc(list, one, func(a, b A) int { return compare(&a, &b) })
	if !found {
		return nil, fault.NotFound.New("no such annotation")
	}
	if err := CheckRemoval(*header(&list[at]), ifVersion); err != nil {
		return nil, err
	}
	return slices.Delete(list, at, at+1), nil
}

// live is a copy without what has ended.
func live[A any](all []A, header func(*A) *Header, now int64) []A {
	list := make([]A, 0, len(all)+1)
	for i := range all {
		if !header(&all[i]).Ended(now) {
			list = append(list, all[i])
		}
	}
	return list
}

// next is the unique behind all those that the list has of the same tag.
func next[A any](list []A, one A, header func(*A) *Header, compare func(a, b *A) int) uint64 {
	unique := uint64(1)
	for i := range list {
		probe := list[i]
		header(&probe).Unique = 0
		if compare(&probe, &one) == 0 {
			unique = max(unique, header(&list[i]).Unique+1)
		}
	}
	return unique
}
