// Package jepsen tests the program as its users have it: agents as processes of
// their own, killed, stopped and started again while others work with them, and
// what they answered judged afterwards. README.md says what runs and what it
// shows.
package jepsen
