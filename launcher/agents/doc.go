// Package agents is how the launcher gets at the agents of hosts: what starts one
// ([Starter]), what a started one is ([Agent]: two streams, Kill and Wait), the
// starter for this machine ([Local]; launcher/ssh has the one for others, and
// launcher/keeper the one for agents that wait already), and [Survey], which asks
// hosts how many ranks they take.
//
// Survey has a goroutine for each host that it asks, and joins them all.
package agents
