package config
import ("testing";"os";"os/exec";"path/filepath";"fmt";"math/rand";"strings")
func TestZZ(t *testing.T){
 paths:=[]string{"/usr/share/containers/containers.conf","/usr/share/containers/containers.conf.d/5.conf","/usr/share/containers/containers.rootless.conf","/usr/share/containers/containers.rootless.conf.d/5.conf","/usr/share/containers/containers.rootless.conf.d/1000/5.conf","/usr/share/containers/containers.rootful.conf.d/5.conf",
 "/etc/containers/containers.conf","/etc/containers/containers.conf.d/5.conf","/etc/containers/containers.conf.d/6.conf","/etc/containers/containers.rootless.conf","/etc/containers/containers.rootful.conf","/etc/containers/containers.rootful.conf.d/5.conf","/etc/containers/containers.rootless.conf.d/5.conf","/etc/containers/containers.rootless.conf.d/4.conf","/etc/containers/containers.rootless.conf.d/1000/5.conf","/etc/containers/containers.rootless.conf.d/1000/3.conf",
 "/home/.config/containers/containers.conf","/home/.config/containers/containers.conf.d/5.conf","/home/.config/containers/containers.conf.d/2.conf"}
 rel,_:=installedPodman()
 n:=0
 for i:=0;i<150;i++{
  root,_:=os.MkdirTemp("/tmp","zz"); os.Chmod(root,0755)
  for _,p:=range []string{"/usr/share/containers/","/etc/containers/","/home/","/run/user/1000/"} { writeFile(t,filepath.Join(root,p),true,"") }
  ownDir(t, filepath.Join(root,"/run/user/1000"),0700)
  keys:=[]string{`events_logger = "file"`,`events_logger = "none"`,`events_logfile_path = "/%s"`,`events_logfile_path = ""`,`tmp_dir = "/t/%s"`}
  for _,p:=range paths { if rand.Intn(3)>0 {continue}; k:=keys[rand.Intn(len(keys))]; k=strings.Replace(k,"%s",strings.ReplaceAll(p,"/","_"),1); writeFile(t,filepath.Join(root,p),false,engineFile(k)) }
  uid:=[]int{0,1000}[i%2]; if uid==1000 { exec.Command("chown","-R","1000",root+"/home").Run(); os.MkdirAll(root+"/home/.config",0755); os.Chown(root+"/home/.config",1000,-1) }
  cmd:=exec.Command("unshare","--mount","--propagation","private","sh","-c",`mount --bind "$0/usr/share/containers" /usr/share/containers && mount --bind "$0/etc/containers" /etc/containers && exec setpriv --reuid `+fmt.Sprint(uid)+` --clear-groups "$@"`,root,"podman","show")
  cmd.Env=append(os.Environ(),"HOME="+root+"/home","XDG_RUNTIME_DIR="+root+"/run/user/1000")
  out,err:=cmd.CombinedOutput()
  env:=Environment{UID:uid,Root:root,Home:"/home",Getenv:only(map[string]string{"XDG_RUNTIME_DIR":"/run/user/1000"}),Podman:installedPodman}
  st,e2:=Discover(env)
  want:=strings.ReplaceAll(strings.TrimSpace(string(out)),root,"")
  st2,_:=DiscoverBackend(env,File)
  got:=st.Backend+" "+st2.Path
  if err!=nil||e2!=nil||got!=want { tree,_:=exec.Command("sh","-c","cd "+root+"; find . -name '*.conf' -type f | xargs grep -H _").CombinedOutput(); t.Errorf("uid %d: got %q want %q %v %v\n%s",uid,got,want,err,e2,tree); if n++;n>2 {break} }
  os.RemoveAll(root)
 }
 t.Log(rel)
}
