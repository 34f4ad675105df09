// Package scalers pins upstream programs, which its go.mod names as tools, and modules that are wanted for the custom
// resource definitions in them. They are built for the tests by package controlplane; nothing imports this package.
package scalers

import _ "github.com/aws/karpenter-provider-aws/pkg/apis" // EC2NodeClass
