// Package chart draws a scalar field on a latitude-longitude grid as a map: shading, a contour, a graticule with degrees along the edges, boxes, coastlines, a colour bar and a title.
//
//  1. layout.go turns the grid into a rectangle of pixels: an equirectangular projection, true to scale at the middle latitude of a regional grid. A grid around
//     the globe is shown from 180 W to 180 E, wherever its own seam is.
//  2. field.go interpolates between grid points, with Catmull-Rom splines where all neighbours are valid and linearly beside missing ones, and finds the contour by marching squares.
//  3. scale.go maps values to colours of evenly rising lightness, so that equal steps look equal, also in grey or to colour-blind eyes.
//  4. pen.go draws anti-aliased lines, and text in the Go fonts, which are parsed when a picture is drawn and cost nothing before.
//  5. coast.go adds coastlines, 19 KB of Natural Earth's, embedded.
//  6. map.go puts these together.
//
// The package starts no goroutine.
package chart
