// Package core has what the calls of all interfaces have in common. It knows no
// bus and no kind of store.
package core
