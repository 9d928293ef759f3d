// The controllers of cert-manager that sign CertificateSigningRequests with a CA of a Secret, and nothing else of it: its own program
// is not published as a module.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificatesigningrequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	"github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util/feature"
	"k8s.io/klog/v2"
)

const workers = 5 // per controller, as in cert-manager's own program

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig file")
	namespace := flag.String("cluster-resource-namespace", "cert-manager", "namespace of the Secrets of ClusterIssuers")
	klog.InitFlags(nil)
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	ctx = logs.NewContext(ctx, klog.Background())
	must(feature.DefaultMutableFeatureGate.Set("ExperimentalCertificateSigningRequestControllers=true"))
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:       *kubeconfig,
		KubernetesAPIQPS: 20, KubernetesAPIBurst: 50, // cert-manager's defaults; off where the API server has priority and fairness
		IssuerOptions: controller.IssuerOptions{ClusterResourceNamespace: *namespace},
	})
	must(err)
	shared, err := factory.Build()
	must(err)
	var running sync.WaitGroup
	for name, construct := range controller.Known() {
		c, err := construct(factory)
		must(err)
		running.Go(func() {
			if err := c.Run(workers, ctx); err != nil {
				klog.Fatalf("%s: %v", name, err)
			}
		})
	}
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	running.Wait()
}

func must(err error) {
	if err != nil {
		klog.Fatal(err)
	}
}
