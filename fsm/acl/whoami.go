package acl

import (
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
)

// Whoami says who the caller is, and what it holds. It is of the service Identity
// and lives here because it redacts.
var Whoami = command.DefineQuery(&Commands, "identity.whoami", command.Public[*pb.WhoamiRequest], answerWhoami)

func answerWhoami(v *command.Reading, _ *pb.WhoamiRequest) (*pb.WhoamiResponse, error) {
	caller := &v.Caller
	who := callerOf(v)
	held := identity.CallerRoles(v, caller, v.Time)
	slices.Sort(held)
	res := &pb.WhoamiResponse{
		Principal: string(caller.Principal), Method: caller.Method, Operator: caller.Operator,
		Session: caller.Session, ExpiresUnix: caller.Expires / 1e9, Issuer: caller.Issuer,
		Roles: who.roleNames(slices.Compact(held)),
	}
	for _, a := range caller.Actors {
		res.Actors = append(res.Actors, string(a.Principal))
	}
	return res, nil
}

// heldOf gives the roles that a caller holds and that are among those named, in
// the order of their names.
func heldOf(v *command.Reading, among []path.Path) (held []path.Path) {
	for _, role := range identity.CallerRoles(v, &v.Caller, v.Time) {
		if slices.Contains(among, role) {
			held = append(held, role)
		}
	}
	slices.Sort(held)
	return slices.Compact(held)
}
